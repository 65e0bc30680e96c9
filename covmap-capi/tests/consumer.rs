//! C and C++ programs compiled with the system's compiler against `include/covmap.h` and run with the built library.
#![cfg(unix)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use covmap_core::Phantom;
use covmap_core::phantom::PhantomOptions;
use serde_json::Value;

const STRICT: [&str; 4] = ["-Wall", "-Wextra", "-Werror", "-pedantic"];

#[test]
fn the_c_example_prints_the_json_of_a_phantom() {
    let program = c("examples/c/analyze.c", "analyze");
    let map = scratch("map.pgm");
    let output = run(Command::new(program).arg(phantom("example.png")).arg(&map));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&json["schema"], &json["input"]["file"]), (&Value::from("covmap/1"), &Value::from("example.png")));
    let (width, height) = (json["input"]["width"].as_u64().unwrap(), json["input"]["height"].as_u64().unwrap());
    let header = format!("P5\n{width} {height}\n255\n");
    let map = std::fs::read(map).unwrap();
    assert!(map.starts_with(header.as_bytes()));
    let infected = map[header.len()..].iter().filter(|b| **b >= 128).count() as u64;
    assert_eq!((map.len() - header.len()) as u64, width * height);
    assert_eq!(json["infection"]["area_px"], infected);
}

#[test]
fn the_c_example_says_what_failed() {
    let program = c("examples/c/analyze.c", "analyze-fails");
    let output = Command::new(program).arg("/nowhere.png").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nowhere.png"));
}

#[test]
fn a_c_program_uses_every_function() {
    run(Command::new(c("tests/consumers/c/every_function.c", "every_function")).arg(phantom("every_function.png")));
}

/// The README's snippet as the body of a program, beside a `chest.dcm` and without one.
#[test]
fn the_readme_says_what_compiles_and_runs() {
    let readme = std::fs::read_to_string(top().join("README.md")).unwrap();
    let snippets: Vec<&str> = readme.split("\n```c\n").skip(1).map(|rest| rest.split("\n```\n").next().unwrap()).collect();
    let [snippet] = snippets[..] else { panic!("{} snippets of C", snippets.len()) };
    let (includes, body): (Vec<&str>, Vec<&str>) = snippet.lines().partition(|line| line.starts_with('#'));
    let source = scratch("readme.c");
    let program = format!("#include <stdio.h>\n{}\nint main(void) {{\n{}\nreturn 0;\n}}\n", includes.join("\n"), body.join("\n"));
    std::fs::write(&source, program).unwrap();
    let program = c(&source, "readme");

    let folder = scratch("readme-folder");
    std::fs::create_dir_all(&folder).unwrap();
    let chest = Phantom::new(&PhantomOptions::default()).unwrap().to_dicom().unwrap();
    std::fs::write(folder.join("chest.dcm"), chest).unwrap();
    let said = |output: Output| String::from_utf8(output.stderr).unwrap();
    assert_eq!(said(run(Command::new(&program).current_dir(&folder))), "");
    std::fs::remove_file(folder.join("chest.dcm")).unwrap();
    assert!(said(run(Command::new(&program).current_dir(&folder))).contains("chest.dcm"));
}

#[test]
fn the_header_is_cpp17() {
    let program = compile("c++", "-std=c++17", Path::new("tests/consumers/cpp/header.cpp"), "header");
    assert_eq!(run(&mut Command::new(program)).stdout, env!("CARGO_PKG_VERSION").as_bytes());
}

fn c(source: impl AsRef<Path>, name: &str) -> PathBuf {
    compile("cc", "-std=c11", source.as_ref(), name)
}

/// Compiles `source` (a path in the workspace, or an absolute one) against header and library.
fn compile(compiler: &str, standard: &str, source: &Path, name: &str) -> PathBuf {
    let top = top();
    let program = scratch(name);
    let library = library();
    let compiler = std::env::var_os(if compiler == "cc" { "CC" } else { "CXX" }).unwrap_or(compiler.into());
    let mut command = Command::new(compiler);
    command.arg(standard).args(STRICT).arg("-I").arg(top.join("include")).arg(top.join(source));
    command.arg("-o").arg(&program).arg("-L").arg(&library).arg("-lcovmap");
    command.arg(format!("-Wl,-rpath,{}", library.display()));
    run(&mut command);
    program
}

/// The workspace's root.
fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Where cargo put the library beside this test.
fn library() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().unwrap().to_owned();
    let file = folder.join(format!("{}covmap{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX));
    // The linker would quietly take the static library instead.
    assert!(file.exists(), "{} is missing", file.display());
    folder
}

fn phantom(name: &str) -> PathBuf {
    let path = scratch(name);
    std::fs::write(&path, Phantom::new(&PhantomOptions::default()).unwrap().to_png().unwrap()).unwrap();
    path
}

fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    output
}
