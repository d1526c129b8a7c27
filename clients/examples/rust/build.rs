//! Stubs from the contracts. protox is protoc in Rust: nothing has to be installed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let proto = std::env::var("EMLOC_PROTO").unwrap_or_else(|_| "../../../proto".into());
    println!("cargo::rerun-if-changed={proto}");
    println!("cargo::rerun-if-env-changed=EMLOC_PROTO");
    let contracts = protox::compile(
        [
            "emloc/coordinator/v1/fine_tune_job_service.proto",
            "emloc/artifact/v1/artifact_service.proto",
            "google/rpc/status.proto",
            "google/rpc/error_details.proto",
        ],
        [proto],
    )?;
    tonic_prost_build::configure()
        .build_server(false)
        // All packages as one tree of modules, since they refer to each other.
        .include_file("contracts.rs")
        .compile_fds(contracts)?;
    Ok(())
}
