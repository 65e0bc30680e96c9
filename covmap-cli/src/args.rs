//! Arguments of the command; what they mean is written where `--help` shows it.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use covmap_core::engine::Engine;
use covmap_core::progression::Date;
use covmap_core::render::{Colormap, OverlayOptions};
use covmap_core::report::DicomObject;
use covmap_core::{Fusion, Limits, OperatingPoint, Pipeline, PipelineOptions, Precision, Result, RunOptions, Views};

use crate::results::Results;
use crate::wrong_argument;

/// COVID-19 infection maps from chest radiographs.
///
/// Shows where in the lungs there is opacity consistent with COVID-19 pneumonia, how much, and whether. Decision support
/// for research, not a diagnosis. Works offline with the bundled model.
#[derive(Debug, Parser)]
#[command(name = "covmap", version, after_help = "Example: covmap analyze chest.dcm --out results")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Analyze(Analyze),
    Annotate(crate::annotate::Annotate),
    Compare(Compare),
    Evaluate(Evaluate),
    Model(ModelArguments),
    Phantom(PhantomArguments),
    Selftest(Selftest),
}

/// Analyse radiographs: maps, masks, overlays and JSON.
///
/// Writes for every input STEM.json (figures), STEM.overlay.png (picture), STEM.infection.png (0..255, infected from 128)
/// and STEM.lung.png (1 the patient's right lung, 2 the left), at the input's size, and run.json for the whole run.
/// Exit status: 0 all analysed, 1 some failed, 2 wrong usage.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  covmap analyze chest.png --out results\n  covmap analyze study/ --recursive --out results --views flip\n  covmap analyze *.dcm --out results --model a.onnx --model b.onnx --fusion logit-mean"
)]
pub(crate) struct Analyze {
    /// PNG, JPEG, TIFF or DICOM files, or folders of them.
    #[arg(required = true, value_name = "INPUT")]
    pub(crate) inputs: Vec<PathBuf>,
    /// Folder for the results; made if missing. Results of a folder INPUT mirror its structure.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Also look into folders within folders.
    #[arg(long)]
    pub(crate) recursive: bool,
    #[command(flatten)]
    pub(crate) pipeline: PipelineArguments,
    /// Colours of the overlay: jet (as in the paper) or cividis (colour-blind safe).
    #[arg(long, default_value_t)]
    pub(crate) colormap: Colormap,
    /// Opacity of the map in the overlay, 0 to 1.
    #[arg(long, default_value_t = 0.6, value_name = "X")]
    pub(crate) opacity: f32,
    /// Outline the area that counts as opacity in the overlay.
    #[arg(long)]
    pub(crate) contour: bool,
    /// Put a colour bar under the overlay, which is higher than the input then.
    #[arg(long)]
    pub(crate) legend: bool,
    /// Frame of a multi-frame DICOM object, from 0.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) frame: u32,
    /// Refuse radiographs of doubtful quality instead of flagging them.
    #[arg(long)]
    pub(crate) strict: bool,
    /// Also write DICOM objects of the input's study: seg (Segmentation of lungs and opacity), map (Segmentation that holds the
    /// probabilities), sr (Structured Report by TID 1500), sc (Secondary Capture of the overlay), as STEM.seg.dcm and so on.
    /// DICOM inputs only.
    #[arg(long, value_delimiter = ',', value_name = "KINDS")]
    pub(crate) dicom: Vec<DicomObject>,
    /// Also write STEM.html, one page for people that needs no network, and for several inputs index.html, which lists them.
    #[arg(long)]
    pub(crate) html: bool,
    /// Name the patient of a DICOM input (name, ID, birth date, sex) in STEM.json and STEM.html. Without it nothing but DICOM
    /// results carries that on; file names stay as they are.
    #[arg(long)]
    pub(crate) with_identifiers: bool,
    /// Print every result as one line of JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Skip inputs that an earlier run with the same models and options has finished in DIR, and remove what it left unfinished
    /// there. That run has to be over.
    #[arg(long)]
    pub(crate) resume: bool,
    /// Stop at the first input that fails.
    #[arg(long)]
    pub(crate) fail_fast: bool,
    /// Print errors only.
    #[arg(long)]
    pub(crate) quiet: bool,
}

impl Analyze {
    /// What to write for every input, as far as the arguments alone say it.
    pub(crate) fn results(&self) -> Results {
        let mut overlay = OverlayOptions::default();
        (overlay.colormap, overlay.opacity, overlay.contour) = (self.colormap, self.opacity, self.contour);
        Results {
            overlay,
            legend: self.legend,
            dicom: Results::each_once(self.dicom.clone()),
            html: self.html,
            identifiers: self.with_identifiers,
            thumbnail: self.html,
            ..Results::default()
        }
    }
}

/// Compare studies of one patient: what grew, what cleared.
///
/// Writes compare.json (shares before and after with intervals), compare.html (one page for people), trend.svg (course over the
/// dates), and for every two studies in turn change-1-2.png (map of change in the frame of the later study) and
/// change-1-2.labels.png (0 not compared, 1 clear, 2 opacity in both, 3 grew, 4 cleared). Studies are put in the order of their
/// dates: those given, else acquisition or study date of DICOM; where one has none, the order given.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: covmap compare monday.dcm friday.dcm --out course\n         covmap compare a.png b.png c.png --dates 2020-03-02,2020-03-06,2020-03-15 --out course"
)]
pub(crate) struct Compare {
    /// PNG, JPEG, TIFF or DICOM files of one patient, two or more.
    #[arg(required = true, num_args = 2.., value_name = "STUDY")]
    pub(crate) inputs: Vec<PathBuf>,
    /// Folder for the results; made if missing.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// When the studies were taken, in the order given: 2020-04-01 or 2020-04-01T12:30, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "DATES")]
    pub(crate) dates: Vec<Date>,
    #[command(flatten)]
    pub(crate) pipeline: PipelineArguments,
    /// Colours of the studies' opacity maps on the page: jet or cividis.
    #[arg(long, default_value_t)]
    pub(crate) colormap: Colormap,
    /// Frame of multi-frame DICOM objects, from 0.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) frame: u32,
    /// Print the result as one line of JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Print errors only.
    #[arg(long)]
    pub(crate) quiet: bool,
}

/// Which models, and how they run.
#[derive(Debug, Args)]
pub(crate) struct PipelineArguments {
    /// Model file (ONNX) instead of the bundled one; several make an ensemble.
    #[arg(long = "model", value_name = "FILE")]
    pub(crate) models: Vec<PathBuf>,
    /// How the members of an ensemble become one: mean, logit-mean, max or vote.
    #[arg(long, default_value_t)]
    pub(crate) fusion: Fusion,
    /// Test-time views: none, or flip (also the mirror image; twice the time).
    #[arg(long, default_value_t)]
    pub(crate) views: Views,
    /// Arithmetic of the network: auto or f32.
    #[arg(long, default_value_t)]
    pub(crate) precision: Precision,
    /// Where detection says positive: sensitivity95 or specificity95.
    #[arg(long, default_value_t)]
    pub(crate) operating_point: OperatingPoint,
    /// Seconds that the analysis of one radiograph may take; one that takes longer has failed.
    #[arg(long, default_value_t = Limits::default().max_time.as_secs_f64(), value_name = "SECONDS", value_parser = seconds)]
    pub(crate) timeout: f64,
    /// MiB that the analysis of one radiograph may need beside the radiograph itself, predicted before it starts. As many
    /// run at a time as there are threads.
    #[arg(long, default_value_t = (Limits::default().max_memory_bytes >> 20) as u32, value_name = "MIB")]
    pub(crate) max_memory: u32,
    /// Radiographs analysed at a time. Default: all processors.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) threads: Option<u16>,
}

fn seconds(text: &str) -> std::result::Result<f64, String> {
    let seconds = text.parse().ok().filter(|s| Duration::try_from_secs_f64(*s).is_ok());
    seconds.ok_or_else(|| "a number of seconds is needed".to_owned())
}

impl PipelineArguments {
    pub(crate) fn build(&self) -> Result<Pipeline> {
        self.precision.require_available()?;
        let mut options = PipelineOptions::default();
        options.models = self.models.clone();
        options.fusion = self.fusion;
        if let Some(n) = self.threads {
            options.threads = n.into();
        }
        Pipeline::new(&options).map_err(wrong_argument)
    }

    /// Whether a second thread may work.
    pub(crate) fn parallel(&self) -> bool {
        self.threads != Some(1) && std::thread::available_parallelism().is_ok_and(|n| n.get() > 1)
    }

    pub(crate) fn run_options(&self) -> RunOptions {
        let mut options = RunOptions::default();
        options.views = self.views;
        options.precision = self.precision;
        options.operating_point = self.operating_point;
        options.limits.max_time = Duration::from_secs_f64(self.timeout);
        options.limits.max_memory_bytes = u64::from(self.max_memory) << 20;
        options
    }
}

/// Measure a model on a labelled folder (catalog.csv, images/, lung/, infection/).
///
/// Writes predictions in the form of `analyze` and prints figures. A model's metadata says which patients it was trained
/// on: figures on those are marked IN-SAMPLE and end with exit status 2 unless --allow-in-sample is given.
#[derive(Debug, Args)]
pub(crate) struct Evaluate {
    /// The labelled folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// `fold=K` for one cross-validation fold, or `all`.
    #[arg(long, default_value = "all")]
    pub(crate) split: String,
    /// Hide a part of every image first: lungs, outside (all but the lungs) or border. Shows how much of the detection
    /// does not come from the lungs.
    #[arg(long, value_parser = ["lungs", "outside", "border"])]
    pub(crate) occlude: Option<String>,
    /// Folder for the predictions.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Also write the figures as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Accept figures on patients that the model was trained on.
    #[arg(long)]
    pub(crate) allow_in_sample: bool,
    #[command(flatten)]
    pub(crate) pipeline: PipelineArguments,
    /// Print no progress.
    #[arg(long)]
    pub(crate) quiet: bool,
}

/// Look into a model, take it out, or time it.
#[derive(Debug, Args)]
pub(crate) struct ModelArguments {
    #[command(subcommand)]
    pub(crate) command: ModelCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// Print a model's description: input, outputs, thresholds, calibration, training, terms of use.
    Inspect {
        /// Model file. Default: the bundled model.
        file: Option<PathBuf>,
        /// Print how it runs instead: the steps of the compiled plans, and what stays on tract and why.
        #[arg(long)]
        plan: bool,
    },
    /// Write the bundled model as an ONNX file with f32 weights, for other engines.
    Extract {
        /// File to write.
        #[arg(long)]
        out: PathBuf,
        /// Model file. Default: the bundled model.
        file: Option<PathBuf>,
    },
    /// Time the network alone.
    Bench {
        /// Model file. Default: the bundled model.
        file: Option<PathBuf>,
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
        threads: u16,
        /// Timed runs, after three that are not.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
        runs: u32,
        /// Arithmetic: auto, f32 or bf16.
        #[arg(long, default_value_t)]
        precision: Precision,
        /// Input tensor as little-endian f32 in the model's layout. Default: a fixed pattern.
        #[arg(long, value_name = "X.f32")]
        input: Option<PathBuf>,
        /// Write the output tensors, one after the other, as little-endian f32.
        #[arg(long, value_name = "Y.f32")]
        output: Option<PathBuf>,
        /// What runs it: auto (compiled plans, tract for the rest) or reference (tract alone).
        #[arg(long, default_value_t)]
        engine: Engine,
        /// Print the time of each step of the compiled plans as well.
        #[arg(long)]
        steps: bool,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// Write a synthetic chest radiograph of known ground truth, for demos and tests without patient data.
///
/// Beside FILE go its masks: STEM.lung.png (1 right, 2 left) and STEM.infection.png (1 opacity).
#[derive(Debug, Args)]
pub(crate) struct PhantomArguments {
    /// PNG (16 bit) or, with --dicom, a DICOM object.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Write a DX image object.
    #[arg(long)]
    pub(crate) dicom: bool,
    /// Width and height in pixels.
    #[arg(long, default_value_t = 1024, value_name = "N", value_parser = clap::value_parser!(u32).range(64..=8192))]
    pub(crate) size: u32,
    /// Variation of anatomy and noise.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
}

/// Check that covmap gives on this machine what it should: run it once after installing.
///
/// Analyses a phantom (a synthetic radiograph as a DICOM file) with the bundled model, once for every instruction set that this
/// processor has, and compares with the results recorded when the model was bundled: probabilities, areas of lung and opacity
/// in all six zones, Brixia estimate, detection. Takes a few seconds, reads and writes no file, needs no network.
/// Exit status: 0 all that this machine has passed, 1 something differs: then use no result of this installation.
#[derive(Debug, Args)]
#[command(after_help = "Example: covmap selftest && echo fit for use")]
pub(crate) struct Selftest {
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}
