//! Tells the tests how well they were optimised: what they may claim depends on it.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // Cargo sets it for every build script.
    let level = std::env::var("OPT_LEVEL").unwrap_or_default();
    println!("cargo:rustc-env=FORCEKILL_BENCH_OPT_LEVEL={level}");
}
