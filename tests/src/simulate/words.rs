//! What happens, in words: for traces.

use ossup_core::request::Operation;
use ossup_core::upload::{Effect, Write};

use super::journeys::{Reply, names};

/// An effect that is wanted.
pub(super) fn wanted(effect: &Effect) -> String {
    match effect {
        Effect::Send(ticket, request) => {
            let id = names(request).0.unwrap_or_default();
            format!("{} {} {id}", ticket.id(), request.operation())
        }
        Effect::SendPart(ticket, part) => format!("{} {} of {}", ticket.id(), part.operation(), part.range()),
        Effect::Save(ticket, Write::Replace(bytes)) => format!("{} Replace {}", ticket.id(), lines(bytes)),
        Effect::Save(ticket, Write::Append(bytes, how)) => {
            format!("{} Append {} ({how:?})", ticket.id(), lines(bytes))
        }
        other => format!("{other:?}"),
    }
}

/// The lines of a record, without what makes them long.
pub(super) fn lines(record: &[u8]) -> String {
    let text = String::from_utf8_lossy(record);
    let shown = text.lines().map(|line| {
        let told = line.get(17..).unwrap_or(line);
        let told = if told.starts_with("{\"begin\"") { "begin" } else { told };
        told.chars().filter(|c| !"{}\"\\".contains(*c)).take(45).collect::<String>()
    });
    shown.collect::<Vec<_>>().join(" | ")
}

/// What the network stack said.
pub(super) fn heard(operation: Option<Operation>, reply: &Reply) -> String {
    let operation = operation.map_or("Hash", Operation::name);
    match reply {
        Reply::Responded(response) | Reply::Early(response) => {
            let text = String::from_utf8_lossy(response.body());
            let element = |name: &str| {
                let (_, rest) = text.split_once(&format!("<{name}>"))?;
                Some(rest.split_once('<')?.0.to_owned())
            };
            let told = element("Code").or_else(|| element("UploadId")).unwrap_or_default();
            let early = if matches!(reply, Reply::Early(_)) { " early" } else { "" };
            format!("{operation} answered{early} {} {told}, {} bytes", response.status().as_u16(), text.len())
        }
        other => format!("{operation} {other:?}"),
    }
}
