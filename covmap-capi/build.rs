//! Names the shared library for the dynamic linker, as far as cargo leaves that to us.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let target = |key: &str| std::env::var(format!("CARGO_CFG_TARGET_{key}")).unwrap_or_default();
    if target("OS") != "linux" {
        return;
    }
    // Before 1.0 a minor version may change the ABI; then only a major one.
    let version = |part: &str| std::env::var(format!("CARGO_PKG_VERSION_{part}")).unwrap_or_default();
    let abi = match version("MAJOR").as_str() {
        "0" => format!("0.{}", version("MINOR")),
        major => major.to_owned(),
    };
    for argument in [
        // LLD knows no default symbol version, and takes no second version script beside rustc's.
        "-fuse-ld=bfd".to_owned(),
        format!("-Wl,-soname,libcovmap.so.{abi}"),
        // Every symbol carries the SONAME as its version.
        "-Wl,--default-symver".to_owned(),
        // Threads of a pool may still be ending after dlclose: their code stays.
        "-Wl,-z,nodelete".to_owned(),
    ] {
        println!("cargo::rustc-cdylib-link-arg={argument}");
    }
}
