//! An artifact of the mesh's store as a folder of this machine.

use crate::contracts::emloc::artifact::v1::DownloadArtifactRequest;
use crate::contracts::emloc::artifact::v1::artifact_service_client::ArtifactServiceClient;
use crate::contracts::emloc::artifact::v1::download_artifact_response::Step;
use crate::failure::Failure;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Component, Path};
use tonic::transport::Channel;

/// Writes it beside its place and renames it: it appears whole or not at all.
pub async fn directory(channel: Channel, digest: &str, output: &Path) -> Result<(), Failure> {
    if output.exists() {
        return Err(Failure::Local(format!(
            "{} exists: choose another path",
            output.display()
        )));
    }
    let draft = output.with_added_extension("partial");
    fs::create_dir(&draft)?;
    let received = receive(channel, digest, &draft).await;
    match received.and_then(|()| Ok(fs::rename(&draft, output)?)) {
        Ok(()) => Ok(()),
        Err(failure) => {
            fs::remove_dir_all(&draft)?;
            Err(failure)
        }
    }
}

async fn receive(channel: Channel, digest: &str, folder: &Path) -> Result<(), Failure> {
    let request = DownloadArtifactRequest {
        digest: digest.into(),
    };
    let mut steps = ArtifactServiceClient::new(channel)
        .download_artifact(request)
        .await?
        .into_inner();
    let mut open: Option<(File, i64)> = None;
    while let Some(step) = steps.message().await? {
        match (step.step, &mut open) {
            (Some(Step::File(entry)), _) => {
                complete(&open)?;
                let path = Path::new(&entry.path);
                if !path
                    .components()
                    .all(|part| matches!(part, Component::Normal(_)))
                {
                    return Err(Failure::Local(format!(
                        "{} leads out of the artifact",
                        entry.path
                    )));
                }
                let place = folder.join(path);
                fs::create_dir_all(place.parent().unwrap_or(folder))?;
                open = Some((File::create_new(place)?, entry.byte_size));
            }
            (Some(Step::Chunk(bytes)), Some((file, left))) => {
                file.write_all(&bytes)?;
                *left -= bytes.len() as i64;
            }
            _ => return Err(Failure::Local("bytes came before their file".into())),
        }
    }
    complete(&open)
}

/// A file has all of its bytes.
fn complete(open: &Option<(File, i64)>) -> Result<(), Failure> {
    match open {
        Some((file, 0)) => Ok(file.sync_all()?),
        Some((_, left)) => Err(Failure::Local(format!("a file lacks {left} bytes"))),
        None => Ok(()),
    }
}
