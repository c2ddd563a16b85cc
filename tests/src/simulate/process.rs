//! A run of the machine: what it has under way, and what the world remembers of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ossup_core::digest::{ContentDigest, Integrity};
use ossup_core::part::ByteRange;
use ossup_core::request::{PartRequest, Request};
use ossup_core::sign::LocalSigner;
use ossup_core::upload::{
    AuthTicket, Cancel, EffectId, HashTicket, InspectTicket, PartTicket, SendTicket, StoreTicket, Upload,
    WaitTicket, Write,
};

use super::keys::Keys;
use super::service::PartName;
use super::source::Content;

/// An effect that is being executed.
#[derive(Debug)]
pub enum Doing {
    /// A request.
    Request(SendTicket, Request),
    /// A part, with its digest once it was read.
    Part(PartTicket, PartRequest, Option<ContentDigest>),
    /// A write.
    Save(StoreTicket, Write),
    /// The record is removed.
    Forget(StoreTicket),
    /// The source is looked at.
    Inspect(InspectTicket),
    /// The source is read.
    Hash(HashTicket, ByteRange, Integrity),
    /// Time passes.
    Wait(WaitTicket),
    /// Credentials are renewed, or the clock is set.
    Refresh(AuthTicket, ossup_core::auth::AuthProblem),
}

impl Doing {
    /// Whether it changes the record.
    #[must_use]
    pub fn stores(&self) -> bool {
        matches!(self, Self::Save(..) | Self::Forget(_))
    }
}

/// A run of the machine.
#[derive(Debug)]
pub struct Process {
    /// The machine.
    pub upload: Upload,
    /// What it waits for.
    pub under_way: BTreeMap<EffectId, Doing>,
    /// Requests that are on their way already.
    pub departed: BTreeSet<EffectId>,
    /// Signs its requests.
    pub signer: LocalSigner<Arc<Keys>>,
    /// What the source contained when it was last looked at.
    pub inspected: Content,
    /// Whether that was after the last part had arrived.
    pub inspected_since: bool,
    /// How the user has ended it.
    pub cancelled: Option<Cancel>,
    /// The upload id that was last seen to be durable, and in which generation of the record.
    pub anchored: Option<(u32, String)>,
    /// Uploads whose ids it has used.
    pub used: BTreeSet<String>,
    /// How often the source had been edited when a part was sent first.
    pub first_sent: BTreeMap<PartName, usize>,
    /// How far it said it had come, and of how many bytes.
    pub progress: (u64, u64),
    /// The record could not be removed.
    pub forget_failed: bool,
    /// Things that have happened to it.
    pub steps: u64,
}

impl Process {
    /// A run that begins now.
    #[must_use]
    pub fn new(upload: Upload, signer: LocalSigner<Arc<Keys>>, inspected: Content) -> Self {
        Self {
            upload,
            under_way: BTreeMap::new(),
            departed: BTreeSet::new(),
            signer,
            inspected,
            inspected_since: false,
            cancelled: None,
            anchored: None,
            used: BTreeSet::new(),
            first_sent: BTreeMap::new(),
            progress: (0, 0),
            forget_failed: false,
            steps: 0,
        }
    }
}
