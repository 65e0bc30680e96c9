//! A first infection map: `cargo run --release --example first_map [RADIOGRAPH]` (without one, of the phantom).

use covmap_core::phantom::{Phantom, PhantomOptions};
use covmap_core::{Pipeline, Radiograph};

fn main() -> covmap_core::Result<()> {
    let radiograph = match std::env::args_os().nth(1) {
        Some(path) => Radiograph::open(path)?,
        None => Phantom::new(&PhantomOptions::default())?.radiograph()?,
    };
    let analysis = Pipeline::bundled()?.analyze(&radiograph)?;
    if let Some(severity) = &analysis.severity {
        println!("opacity in {:.1} % of the lungs", 100.0 * severity.total().share().unwrap_or(0.0));
    }
    println!("detection: {:?}", analysis.detection);
    Ok(())
}
