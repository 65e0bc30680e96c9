//! `include/covmap.h` is what the sources say. After a change: `COVMAP_BLESS=1 cargo test --release --test header`.

use std::path::Path;

#[test]
fn the_header_is_that_of_the_sources() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut config = cbindgen::Config::from_file(here.join("cbindgen.toml")).unwrap();
    config.header = Some(preamble());
    config.after_includes = Some(version_macros());
    // The modules follow, in their order in lib.rs.
    let bindings = cbindgen::Builder::new().with_config(config).with_src(here.join("src/lib.rs")).generate().unwrap();
    let mut generated = Vec::new();
    bindings.write(&mut generated);
    let generated = String::from_utf8(generated).unwrap();
    let path = here.join("../include/covmap.h");
    if std::env::var_os("COVMAP_BLESS").is_some_and(|v| v == "1") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &generated).unwrap();
    }
    let checked_in = std::fs::read_to_string(&path).unwrap_or_default();
    // Git may have changed the line ends on Windows.
    let checked_in = checked_in.replace("\r\n", "\n");
    let line = 1 + generated.lines().zip(checked_in.lines()).take_while(|(a, b)| a == b).count();
    assert!(generated == checked_in, "include/covmap.h differs from covmap-capi/src in line {line}; bless it with COVMAP_BLESS=1");
}

/// The crate's own description, so that the rules are written once.
fn preamble() -> String {
    let source = include_str!("../src/lib.rs");
    let essay = source.lines().map_while(|l| l.strip_prefix("//!"));
    let essay = essay.map(|l| l.trim_start().replace('`', "").replace(['[', ']'], "").replace("# Safety", "Safety"));
    let mut text = String::from("/*\n");
    for line in essay {
        text += format!(" * {line}").trim_end();
        text += "\n";
    }
    text.replace("The C interface: what include/covmap.h declares.", "covmap: infection maps from chest radiographs.")
        .replace("a Status", "a covmap_status")
        + " *\n * SPDX-License-Identifier: MIT OR Apache-2.0\n */"
}

fn version_macros() -> String {
    let parts = [
        ("MAJOR", env!("CARGO_PKG_VERSION_MAJOR")),
        ("MINOR", env!("CARGO_PKG_VERSION_MINOR")),
        ("PATCH", env!("CARGO_PKG_VERSION_PATCH")),
    ];
    let macros: String = parts.map(|(part, number)| format!("#define COVMAP_VERSION_{part} {number}\n")).concat();
    format!("\n/* Version of this header; covmap_version() is that of the loaded library. */\n{}", macros.trim_end())
}
