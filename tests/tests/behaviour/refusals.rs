//! Where the adapters differ, and say so: keys that a URL would change.

use ossup_fs::StartError;

use crate::adapter::Adapter;
use crate::scene::{PART, Scene, policy};

#[test]
fn a_key_with_dot_segments_arrives_or_is_refused_by_name_before_anything_is_sent() {
    for adapter in Adapter::ALL {
        let scene = Scene::new(adapter);
        let content = scene.write(2 * PART);
        for key in [".", "..", "a/../b"] {
            match (adapter, scene.try_upload(scene.describe_as(key, policy()), |_| {})) {
                (Adapter::Ureq, Ok(outcome)) => scene.assert_arrived(key, &content, &outcome),
                (Adapter::Reqwest, Err(StartError::KeyNotSendable(named))) => {
                    assert_eq!(named, key);
                    assert!(scene.emulator.journal().entries().is_empty());
                }
                (_, other) => panic!("{adapter:?}: {other:?}"),
            }
        }
    }
}
