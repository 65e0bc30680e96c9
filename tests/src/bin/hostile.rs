//! The corpus of damaged files, and what the Rust library makes of it.
//!
//! `hostile make OUT COUNT SEED` writes it, and OUT/stub.onnx, a little network. `hostile run [MODEL]` reads paths, a line each,
//! and says of every file `ok` or the kind of its error, once it is analysed (a model: loaded, and run on one picture).

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};

use covmap_core::{Pipeline, PipelineOptions, Radiograph, Result};
use covmap_tests::models::little;
use covmap_tests::{hostile, radiograph};

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["make", out, count, seed] => {
            std::fs::create_dir_all(out)?;
            std::fs::write(Path::new(out).join("stub.onnx"), little(1.0))?;
            for (name, bytes) in hostile::corpus(count.parse()?, seed.parse()?) {
                std::fs::write(Path::new(out).join(name), bytes)?;
            }
        }
        ["run", model @ ..] => {
            covmap_tests::fuzz::strict();
            let pipeline = pipeline(model.iter().map(PathBuf::from).collect())?;
            let picture = radiograph(1, 80, 64);
            for path in std::io::stdin().lock().lines().map_while(std::result::Result::ok) {
                let outcome = analyse(&pipeline, &picture, Path::new(&path));
                let mut out = std::io::stdout().lock();
                writeln!(out, "{}", outcome.map_or_else(|error| format!("{:?}", error.kind()), |()| "ok".into()))?;
                out.flush()?;
            }
        }
        _ => return Err("hostile make OUT COUNT SEED, or hostile run [MODEL]".into()),
    }
    Ok(())
}

fn pipeline(models: Vec<PathBuf>) -> Result<Pipeline> {
    let mut options = PipelineOptions::default();
    (options.models, options.threads) = (models, 1);
    Pipeline::new(&options)
}

fn analyse(whole: &Pipeline, picture: &Radiograph, path: &Path) -> Result<()> {
    if path.extension().is_some_and(|extension| extension == "onnx") {
        pipeline(vec![path.to_owned()])?.analyze(picture)?;
    } else {
        whole.analyze(&Radiograph::open(path)?)?;
    }
    Ok(())
}
