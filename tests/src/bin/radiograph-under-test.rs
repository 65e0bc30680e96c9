//! What reading makes of files, for tests in other languages: `radiograph-under-test OUT [--frame N] FILE...`.
//!
//! For each FILE one line of JSON: its size, spacing, view and notes, or the kind and text of its error. OUT/INDEX.raw holds its
//! pixels as little-endian 16-bit words, row by row, upright; INDEX counts the files from 0.

use covmap_core::radiograph::ReadOptions;
use covmap_core::{Radiograph, Result};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let out = PathBuf::from(arguments.next().ok_or("no folder given")?);
    let mut files: Vec<String> = arguments.collect();
    let mut options = ReadOptions::default();
    if files.first().is_some_and(|first| first == "--frame") {
        options = options.frame(files.get(1).ok_or("no frame given")?.parse()?);
        files.drain(..2);
    }
    for (index, file) in files.iter().enumerate() {
        let read = Radiograph::open_with(file, &options);
        if let Ok(radiograph) = &read {
            let bytes: Vec<u8> = radiograph.pixels().iter().flat_map(|pixel| pixel.to_le_bytes()).collect();
            std::fs::write(out.join(format!("{index}.raw")), bytes)?;
        }
        println!("{}", describe(file, &read));
    }
    Ok(())
}

fn describe(file: &str, read: &Result<Radiograph>) -> Value {
    let name = Path::new(file).file_name().map(|name| name.to_string_lossy());
    match read {
        Ok(radiograph) => json!({
            "file": name,
            "rows": radiograph.height(),
            "columns": radiograph.width(),
            "spacing_mm": radiograph.spacing_mm(),
            "pixel_aspect_ratio": radiograph.pixel_aspect_ratio(),
            "view": radiograph.view().as_str(),
            "notes": radiograph.notes().iter().map(|note| note.as_str()).collect::<Vec<_>>(),
        }),
        Err(error) => json!({ "file": name, "error": format!("{:?}", error.kind()), "message": error.to_string() }),
    }
}
