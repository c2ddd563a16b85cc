//! Uploads over hyper 1.x, by hand, on tokio: as many parts in flight as the machine wants.
//!
//! An effect becomes a task. To stop an effect is to abort its task; the ticket is lost with it, and the machine is told
//! by `Upload::abandon`, as it is of a task that panics. Dropping the future of `upload` aborts all of them, and leaves
//! parts and record for a later run.
//!
//! ```sh
//! OSS_REGION=cn-hangzhou OSS_ACCESS_KEY_ID=… OSS_ACCESS_KEY_SECRET=… \
//!     cargo run -p ossup-examples --example async_hyper -- http://127.0.0.1:9000 film.mp4 oss://bucket/film.mp4
//! ```

mod async_hands;
mod hyper1;
mod settings;

use std::collections::BTreeMap;
use std::error::Error;
use std::pin::pin;
use std::sync::Arc;

use ossup_core::sign::Signer;
use ossup_core::upload::{Cancel, Effect, EffectId, Misuse, Outcome, Turn};
use ossup_fs::Begun;
use tokio::task::{AbortHandle, JoinSet};

use self::async_hands::Hands;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let settings = settings::from_arguments()?;
    let signer: Arc<dyn Signer> = Arc::new(settings.signer);
    for begun in settings.begun {
        println!("{:?}", upload(begun, Arc::clone(&signer), std::future::pending()).await?.end);
    }
    Ok(())
}

/// Uploads until the end, or until `cancelled` comes to be.
pub(crate) async fn upload(
    begun: Begun,
    signer: Arc<dyn Signer>,
    cancelled: impl Future<Output = Cancel>,
) -> Result<Outcome, Misuse> {
    let Begun { mut upload, source, record, mut listeners, .. } = begun;
    let hands = Arc::new(Hands::new(source, record, signer));
    let (mut cancelled, mut is_cancelled) = (pin!(cancelled), false);
    let mut tasks = JoinSet::new();
    let mut under_way: BTreeMap<EffectId, AbortHandle> = BTreeMap::new();
    loop {
        match upload.turn() {
            Turn::Do(Effect::Stop(id)) => under_way.get(&id).into_iter().for_each(AbortHandle::abort),
            Turn::Do(effect) => {
                let id = effect.id();
                under_way.insert(id, tasks.spawn(Arc::clone(&hands).execute(effect)));
            }
            Turn::Blocked => tokio::select! {
                how = &mut cancelled, if !is_cancelled => {
                    is_cancelled = true;
                    upload.cancel(how);
                }
                Some(ended) = tasks.join_next_with_id() => match ended {
                    Ok((_, answer)) => {
                        under_way.remove(&answer.id());
                        upload.answer(answer)?;
                    }
                    Err(lost) => {
                        let id = under_way.iter().find(|(_, task)| task.id() == lost.id()).map(|(id, _)| *id);
                        if let Some(id) = id {
                            under_way.remove(&id);
                            upload.abandon(id)?;
                        }
                    }
                },
            },
            Turn::Finished(outcome) => {
                listeners.tell_end(&outcome);
                return Ok(*outcome);
            }
        }
        listeners.tell(&mut upload);
    }
}
