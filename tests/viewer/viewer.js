// chest.dcm with the segments of chest.seg.dcm, by Cornerstone3D: the source as a stack of one, segments as labelmaps over it.
import * as core from '@cornerstonejs/core';
import * as tools from '@cornerstonejs/tools';
import dicomImageLoader from '@cornerstonejs/dicom-image-loader';
import { adaptersSEG } from '@cornerstonejs/adapters';
import dcmjs from 'dcmjs';

const COLOURS = { 1: [0, 200, 255, 255], 2: [0, 255, 80, 255], 3: [255, 60, 0, 255] };
// A projection has no place in the patient, so neither object states one. Cornerstone's adapter asks for planes all the same
// (adapters 5.14, labelmapImagesFromBuffer): both get this one, in memory.
const PLANE = [1, 0, 0, 0, 1, 0];

const fetched = async name => (await fetch(name)).arrayBuffer();
const { DicomMessage, DicomMetaDictionary } = dcmjs.data;
const natural = buffer => DicomMetaDictionary.naturalizeDataset(DicomMessage.readFile(buffer).dict);

/** The Segmentation as it is, with the plane written into it. */
function withPlane(buffer) {
  const file = DicomMessage.readFile(buffer);
  const data = DicomMetaDictionary.naturalizeDataset(file.dict);
  data.SharedFunctionalGroupsSequence = [{ PlaneOrientationSequence: [{ ImageOrientationPatient: PLANE }] }];
  data._vrMap = { PixelData: 'OB' };
  file.dict = DicomMetaDictionary.denaturalizeDataset(data);
  return file.write();
}

async function show() {
  await core.init({ rendering: { renderingEngineMode: 'tiled' } });
  await tools.init();
  dicomImageLoader.init({ maxWebWorkers: 1 });
  const source = natural(await fetched('chest.dcm'));
  const imageId = `wadouri:${location.origin}/chest.dcm`;
  const modules = {
    instance: { ...source, ImageOrientationPatient: PLANE },
    generalImageModule: { sopInstanceUID: source.SOPInstanceUID },
    generalSeriesModule: { seriesInstanceUID: source.SeriesInstanceUID, modality: source.Modality },
    imagePlaneModule: {
      rows: source.Rows, columns: source.Columns, imageOrientationPatient: PLANE, imagePositionPatient: [0, 0, 0],
      rowCosines: PLANE.slice(0, 3), columnCosines: PLANE.slice(3), rowPixelSpacing: 1, columnPixelSpacing: 1,
      frameOfReferenceUID: source.SOPInstanceUID,
    },
  };
  core.metaData.addProvider((type, id) => (id === imageId ? modules[type] : undefined), 10_000);

  const engine = new core.RenderingEngine('engine');
  engine.enableElement({ viewportId: 'view', type: core.Enums.ViewportType.STACK, element: document.getElementById('view') });
  const viewport = engine.getViewport('view');
  await viewport.setStack([imageId]);
  viewport.render();

  const segmentation = await adaptersSEG.Cornerstone3D.Segmentation.createFromDICOMSegBuffer(
    [imageId], withPlane(await fetched('chest.seg.dcm')), { metadataProvider: core.metaData });
  const groups = segmentation.labelMapImages;
  // Segments that overlap come as several labelmaps.
  for (const [i, images] of groups.entries()) {
    const segmentationId = `segmentation-${i}`;
    tools.segmentation.addSegmentations([{
      segmentationId,
      representation: { type: tools.Enums.SegmentationRepresentations.Labelmap, data: { imageIds: [images].flat().map(image => image.imageId) } },
    }]);
    await tools.segmentation.addLabelmapRepresentationToViewport('view', [{ segmentationId }]);
    for (const [segment, colour] of Object.entries(COLOURS)) {
      try { tools.segmentation.config.color.setSegmentIndexColor('view', segmentationId, +segment, colour); } catch { /* not in this group */ }
    }
  }
  engine.renderViewports(['view']);
  await new Promise(done => setTimeout(done, 1500));
  const corner = (x, y) => viewport.worldToCanvas([x, y, 0]);
  return {
    segments: segmentation.segMetadata.data.filter(Boolean).map(s => s.SegmentLabel),
    groups: groups.length,
    // Where the picture's first and last pixel lie on the canvas.
    first: corner(0, 0),
    last: corner(source.Columns - 1, source.Rows - 1),
  };
}

show().then(result => { window.result = result; }, error => { window.result = { error: `${error.stack ?? error}` }; });
