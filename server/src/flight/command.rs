//! The command in a descriptor or ticket: a Flight SQL message packed into a `google.protobuf.Any`.

use arrow_flight::flight_descriptor::DescriptorType;
use arrow_flight::sql::{Any, Command};
use arrow_flight::FlightDescriptor;
use prost::Message;
use tonic::Status;

use super::error;

pub(super) fn of_descriptor(descriptor: &FlightDescriptor) -> Result<Command, Status> {
    if descriptor.r#type == DescriptorType::Path as i32 {
        return Err(error::invalid("paths name nothing here: this server speaks Flight SQL, send a command"));
    }
    of_bytes(&descriptor.cmd)
}

pub(super) fn of_bytes(bytes: &[u8]) -> Result<Command, Status> {
    let any = Any::decode(bytes).map_err(|_| error::invalid("the command is not a google.protobuf.Any"))?;
    let type_url = any.type_url.clone();
    Command::try_from(any).map_err(|_| error::invalid(format!("the command cannot be decoded as {type_url}")))
}

/// For a command that is none, or none for this call.
pub(super) fn refuse(call: &str, command: &Command) -> Status {
    match command {
        Command::Unknown(any) if any.type_url.is_empty() => error::invalid(format!("{call} without a Flight SQL command")),
        Command::CommandStatementSubstraitPlan(_) => error::unsupported("Substrait plans are not supported\nHINT: Send SQL."),
        other => error::unsupported(format!("{call} of {} is not supported", other.type_url())),
    }
}
