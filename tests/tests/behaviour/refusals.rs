//! What is refused before anything is sent: keys that a URL would change, where one is made; settings that cannot work.

use std::time::Duration;

use ossup_fs::StartError;

use crate::adapter::Adapter;
use crate::scene::{PART, Scene, policy};

#[test]
fn a_timeout_in_which_nothing_can_happen_is_refused() {
    for (timeout, is_usable) in [
        (Duration::ZERO, false),
        (Duration::from_micros(999), false),
        (Duration::from_millis(1), true),
        (Duration::MAX, true),
    ] {
        let blocking = ossup_ureq::HttpSettings::new();
        assert_eq!(blocking.clone().stall_timeout(timeout).is_ok(), is_usable);
        assert_eq!(blocking.connect_timeout(timeout).is_ok(), is_usable);
        let asynchronous = ossup_reqwest::HttpSettings::new();
        assert_eq!(asynchronous.clone().stall_timeout(timeout).is_ok(), is_usable);
        assert_eq!(asynchronous.connect_timeout(timeout).is_ok(), is_usable);
    }
}

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
