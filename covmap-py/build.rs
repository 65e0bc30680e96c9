//! Lets `cargo build --workspace` link the module on macOS too, without maturin.

fn main() {
    pyo3_build_config::add_extension_module_link_args();
}
