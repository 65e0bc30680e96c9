//! Writes what fuzzing starts from: `fuzz-seeds TARGET OUT`.

use std::path::Path;

use covmap_tests::fuzz::seeds;

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [target, out] = arguments.as_slice() else {
        eprintln!("fuzz-seeds TARGET OUT");
        std::process::exit(2);
    };
    std::fs::create_dir_all(out)?;
    for (name, bytes) in seeds::of(target) {
        std::fs::write(Path::new(out).join(name), bytes)?;
    }
    Ok(())
}
