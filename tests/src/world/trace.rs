//! Actions in words, for traces.

use bytes::Bytes;
use ossup_core::part::PartNumber;
use ossup_core::upload::{Effect, EffectId, Turn, Write};

use crate::service::PART;

use super::{Action, World};

/// An action in the words of the world it happens in.
#[must_use]
pub fn describe(world: &World, action: Action) -> String {
    let effect = |id: EffectId| match world.under_way.get(&id) {
        Some(Effect::Send(_, request)) => request.operation().to_string(),
        Some(Effect::SendPart(_, request)) => {
            let part = PartNumber::from_index((request.range().offset() / PART) as usize);
            format!("part {}", part.map_or(0, PartNumber::get))
        }
        Some(Effect::Save(_, write)) => match write {
            Write::Replace(bytes) => format!("replace {}", shown(bytes)),
            Write::Append(bytes, durability) => format!("append ({durability:?}) {}", shown(bytes)),
            other => format!("{other:?}"),
        },
        Some(Effect::Hash(_, range, _)) => format!("hash {range}"),
        Some(other) => format!("{other:?}").split(['(', ' ']).next().unwrap_or_default().to_owned(),
        None => id.to_string(),
    };
    match action {
        Action::Turn => match world.clone().upload.turn() {
            Turn::Do(Effect::Send(_, request)) => {
                format!("turn: {:?} -> {}", world.goal(), request.operation())
            }
            Turn::Do(other) => {
                let other = format!("{other:?}");
                format!("turn: {:?} -> {}", world.goal(), other.split('(').next().unwrap_or_default())
            }
            Turn::Blocked => "turn: blocked".into(),
            Turn::Finished(outcome) => format!("turn: finished {:?}", outcome.end),
        },
        Action::AnswerTwice(id) => format!("done, and said twice: {}", effect(id)),
        Action::AnswerAnother(id) => format!("done, after an answer to another upload: {}", effect(id)),
        Action::Do(id) => format!("done: {}", effect(id)),
        Action::LoseRequest(id) => format!("request lost: {}", effect(id)),
        Action::LoseAnswer(id) => format!("answer lost: {}", effect(id)),
        Action::Delay(id) => format!("delayed: {}", effect(id)),
        Action::ServerError(id) => format!("500: {}", effect(id)),
        Action::FailWrite(id) => format!("write fails: {}", effect(id)),
        Action::CrashWriting(id) => format!("crash within: {}", effect(id)),
        Action::HonourStop(id) => format!("stopped: {}", effect(id)),
        Action::Arrive(index) => format!("arrives late: {}", world.travelling[index].0.operation()),
        Action::Vanish(index) => format!("never arrives: {}", world.travelling[index].0.operation()),
        other => format!("{other:?}"),
    }
}

fn shown(bytes: &Bytes) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.lines()
        .filter_map(|line| line.get(17..))
        .map(|line| line.chars().take(24).collect::<String>())
        .collect()
}
