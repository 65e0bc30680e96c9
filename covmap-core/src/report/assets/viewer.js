// The picture of a report: radiograph, map, outlines. Pixels come from the images on the page, numbers from its data.
'use strict';
const data = JSON.parse(document.getElementById('data').textContent);
const control = id => document.getElementById(id);
const canvas = control('view');
// Drawn by putImageData alone: nothing a graphics processor would be faster at.
const context = canvas.getContext('2d', { willReadFrequently: true });
const OUTLINES = { right: [86, 220, 255], left: [150, 240, 130], opacity: [255, 255, 255] };

// The first channel of an image on the page.
function plane(image) {
  const hidden = document.createElement('canvas');
  hidden.width = canvas.width;
  hidden.height = canvas.height;
  const drawing = hidden.getContext('2d', { willReadFrequently: true });
  drawing.drawImage(image, 0, 0);
  const rgba = drawing.getImageData(0, 0, canvas.width, canvas.height).data;
  return Uint8Array.from({ length: rgba.length / 4 }, (_, i) => rgba[4 * i]);
}

// A table of 256 colours from hexadecimal digits.
function table(digits) {
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) => parseInt(digits.substr(2 * i, 2), 16));
}

// Writes the inner edge of an area in one colour.
function outline(pixels, inside, [r, g, b]) {
  const { width, height } = canvas;
  const line = Math.max(1, Math.round(Math.max(width, height) / 350));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const i = y * width + x;
      if (!inside(i)) continue;
      const edge = (x > 0 && !inside(i - 1)) || (x + 1 < width && !inside(i + 1)) ||
        (y > 0 && !inside(i - width)) || (y + 1 < height && !inside(i + width));
      if (!edge) continue;
      for (let dy = 0; dy < line; dy++) {
        for (let dx = 0; dx < line; dx++) {
          if (x + dx >= width || y + dy >= height) continue;
          const at = 4 * (i + dy * width + dx);
          pixels[at] = r; pixels[at + 1] = g; pixels[at + 2] = b;
        }
      }
    }
  }
}

function start(film, map, lungs, colours) {
  function draw() {
    const opacity = control('opacity').valueAsNumber / 100;
    const threshold = control('threshold').valueAsNumber;
    const colour = colours[control('colours').value];
    const heat = control('heat').checked ? opacity : 0;
    const picture = context.createImageData(canvas.width, canvas.height);
    const pixels = picture.data;
    for (let i = 0; i < film.length; i++) {
      const grey = film[i], at = 3 * map[i];
      for (let c = 0; c < 3; c++) pixels[4 * i + c] = grey * (1 - heat + heat * colour[at + c] / 255) + 0.5;
      pixels[4 * i + 3] = 255;
    }
    if (control('lungs').checked) {
      outline(pixels, i => lungs[i] === 1, OUTLINES.right);
      outline(pixels, i => lungs[i] === 2, OUTLINES.left);
    }
    if (control('contour').checked) outline(pixels, i => map[i] >= threshold, OUTLINES.opacity);
    context.putImageData(picture, 0, 0);
    if (control('zones').checked) zones();
    bar(colour, opacity);
    say(threshold);
  }

  function zones() {
    const size = Math.max(12, Math.round(canvas.height / 34));
    context.font = `600 ${size}px sans-serif`;
    context.lineWidth = Math.max(1, canvas.height / 500);
    context.strokeStyle = context.fillStyle = '#ffd75e';
    context.textAlign = 'center';
    context.textBaseline = 'middle';
    for (const { name, left, right, top, bottom } of data.zones) {
      context.strokeRect(left + 0.5, top + 0.5, right - left - 1, bottom - top - 1);
      const outer = 'ABC'.includes(name) ? left + size : right - size;
      context.fillText(name, outer, (top + bottom) / 2);
    }
  }

  // The colours as they lie over white film.
  function bar(colour, opacity) {
    const legend = control('bar');
    const drawing = legend.getContext('2d');
    const picture = drawing.createImageData(256, 1);
    for (let i = 0; i < 256; i++) {
      for (let c = 0; c < 3; c++) picture.data[4 * i + c] = 255 * (1 - opacity) + opacity * colour[3 * i + c];
      picture.data[4 * i + 3] = 255;
    }
    drawing.putImageData(picture, 0, 0);
  }

  function say(threshold) {
    control('opacity-value').textContent = `${control('opacity').value} %`;
    control('threshold-value').textContent = (threshold / 255).toFixed(2);
    const share = side => {
      const area = side.reduce((sum, n) => sum + n, 0);
      const above = side.slice(threshold).reduce((sum, n) => sum + n, 0);
      return area > 0 ? `${(100 * above / area).toFixed(1)} %` : 'not known';
    };
    const [right, left] = data.histograms;
    const both = right.map((n, i) => n + left[i]);
    const rule = threshold === data.threshold ? ' This is the threshold of all figures in this report.' : '';
    control('reading').textContent = `Above probability ${(threshold / 255).toFixed(2)}: ${share(both)} of both lungs, ` +
      `${share(right)} of the right, ${share(left)} of the left.${rule}`;
  }

  let waiting = false;
  const soon = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(); });
  };
  for (const element of document.querySelectorAll('.tools input, .tools select')) element.addEventListener('input', soon);
  // The event comes before the controls change.
  control('form').addEventListener('reset', soon);
  draw();
  document.body.dataset.ready = 'yes';
}

const images = ['film', 'map', 'mask'].map(control);
Promise.all(images.map(image => image.decode())).then(() => {
  canvas.width = images[0].naturalWidth;
  canvas.height = images[0].naturalHeight;
  const colours = Object.fromEntries(Object.entries(data.colours).map(([name, digits]) => [name, table(digits)]));
  start(...images.map(plane), colours);
  canvas.hidden = false;
  images[0].hidden = true;
});
