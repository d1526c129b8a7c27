//! Why it did not work: the mesh's error with its reason and mend, or one of this side.

use crate::contracts::google::rpc::{ErrorInfo, Help, Status};
use prost::Message;
use std::fmt;

#[derive(Debug)]
pub enum Failure {
    Mesh {
        message: String,
        reason: String,
        mend: String,
    },
    Local(String),
}

impl From<Status> for Failure {
    /// Of a `google.rpc.Status`, as it stands in events.
    fn from(status: Status) -> Self {
        let mut reason = format!("{:?}", tonic::Code::from_i32(status.code));
        let mut mend = String::new();
        for detail in &status.details {
            let value = detail.value.as_slice();
            if detail.type_url.ends_with("/google.rpc.ErrorInfo") {
                reason = ErrorInfo::decode(value).unwrap_or_default().reason;
            } else if detail.type_url.ends_with("/google.rpc.Help") {
                let links = Help::decode(value).unwrap_or_default().links;
                mend = links.into_iter().next().unwrap_or_default().description;
            }
        }
        Failure::Mesh {
            message: status.message,
            reason,
            mend,
        }
    }
}

impl From<tonic::Status> for Failure {
    /// Of a call: the details are a serialized `google.rpc.Status`.
    fn from(status: tonic::Status) -> Self {
        match Status::decode(status.details()) {
            Ok(details) if details.code != 0 => details.into(),
            _ => Failure::Local(format!("{:?}: {}", status.code(), status.message())),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Failure::Local(error.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Failure::Mesh {
                message,
                reason,
                mend,
            } if mend.is_empty() => write!(f, "{reason}: {message}"),
            Failure::Mesh {
                message,
                reason,
                mend,
            } => write!(f, "{reason}: {message} ({mend})"),
            Failure::Local(message) => write!(f, "{message}"),
        }
    }
}
