//! Fine-tunes a model through a mesh: emloc-example ADDRESS MODEL DATA OUTPUT
//!
//! ADDRESS is the coordinator's, host:port; MODEL and DATA are absolute paths that the mesh sees. What the job says is
//! printed as it comes; the adapter is written to OUTPUT, a folder that must not exist yet.

mod contracts {
    #![allow(clippy::all, dead_code)]
    include!(concat!(env!("OUT_DIR"), "/contracts.rs"));
}
mod download;
mod events;
mod failure;

use contracts::emloc::artifact::v1::{Source, source};
use contracts::emloc::coordinator::v1::fine_tune_job_service_client::FineTuneJobServiceClient;
use contracts::emloc::coordinator::v1::{
    CreateFineTuneJobRequest, FineTuneJobResult, FineTuneJobSpec, JobState,
    WatchFineTuneJobRequest, fine_tune_job_event::Event,
};
use contracts::emloc::dataset::v1::DatasetSpec;
use contracts::emloc::training::v1::TrainingOptions;
use failure::Failure;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tonic::Code;
use tonic::transport::Channel;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, model, data, output] = arguments.as_slice() else {
        eprintln!("usage: emloc-example ADDRESS MODEL DATA OUTPUT");
        return 2.into();
    };
    match run(address, model, data, Path::new(output)).await {
        Ok(()) => 0.into(),
        Err(failure) => {
            eprintln!("error: {failure}");
            1.into()
        }
    }
}

async fn run(address: &str, model: &str, data: &str, output: &Path) -> Result<(), Failure> {
    let channel = Channel::from_shared(format!("http://{address}"))
        .map_err(|error| Failure::Local(error.to_string()))?
        .connect()
        .await
        .map_err(|error| Failure::Local(format!("{address} is not reachable: {error}")))?;
    let mut jobs = FineTuneJobServiceClient::new(channel.clone());
    let id = format!(
        "rust-{}",
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_millis()
    );
    let spec = FineTuneJobSpec {
        model: path(model),
        dataset: Some(DatasetSpec {
            source: path(data),
            ..Default::default()
        }),
        training: Some(TrainingOptions {
            max_steps: Some(4),
            ..Default::default()
        }),
        ..Default::default()
    };
    jobs.create_fine_tune_job(CreateFineTuneJobRequest {
        id: id.clone(),
        spec: Some(spec),
    })
    .await?;
    println!("job {id}");
    let result = watch(&mut jobs, &id).await?;
    println!("chosen: {}", result.chosen);
    let adapter = result.adapter.unwrap_or_default();
    download::directory(channel, &adapter.digest, output).await?;
    println!("the adapter is in {}", output.display());
    Ok(())
}

/// Prints what the job says until it has ended. Where the coordinator goes away meanwhile, the watch goes on after the
/// last event that came.
async fn watch(
    jobs: &mut FineTuneJobServiceClient<Channel>,
    id: &str,
) -> Result<FineTuneJobResult, Failure> {
    let mut cursor = 0;
    let mut failures = 0;
    loop {
        let request = WatchFineTuneJobRequest {
            id: id.into(),
            after_cursor: cursor,
        };
        let broken = match jobs.watch_fine_tune_job(request).await {
            Ok(stream) => {
                let mut stream = stream.into_inner();
                loop {
                    match stream.message().await {
                        Ok(Some(response)) => {
                            let event = response.event.unwrap_or_default();
                            (cursor, failures) = (event.cursor, 0);
                            println!("{}", events::line(&event));
                            if let Some(Event::StateChanged(change)) = event.event {
                                match change.state() {
                                    JobState::Succeeded => {
                                        return Ok(change.result.unwrap_or_default());
                                    }
                                    JobState::Failed => {
                                        return Err(change.error.unwrap_or_default().into());
                                    }
                                    JobState::Cancelled | JobState::Paused => {
                                        return Err(Failure::Local(format!(
                                            "the job is {:?}",
                                            change.state()
                                        )));
                                    }
                                    _ => {}
                                }
                            }
                        }
                        Ok(None) => {
                            break tonic::Status::unavailable("the watch ended before the job");
                        }
                        Err(status) => break status,
                    }
                }
            }
            Err(status) => status,
        };
        failures += 1;
        if broken.code() != Code::Unavailable || failures > 30 {
            return Err(broken.into());
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn path(path: &str) -> Option<Source> {
    Some(Source {
        source: Some(source::Source::Path(path.into())),
    })
}
