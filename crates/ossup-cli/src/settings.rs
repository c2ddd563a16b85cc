//! Where a command goes and who it is there: endpoint, region, credentials, object, checkpoint folder, put together
//! from the command line and the environment.
//!
//! Whatever is missing or wrong is told in one message with a hint, before anything is opened or sent. No message
//! repeats a secret.

use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy as _;
use ossup_core::endpoint::{Addressing, Endpoint, Network, Region};
use ossup_core::object::{BucketName, InvalidBucketName, InvalidObjectName, ObjectName};
use ossup_core::sign::{Credentials, LocalSigner, SignError, SignatureVersion, StaticCredentials};
use ossup_ureq::{Client, HttpSettings};

use crate::args;
use crate::exit::{Code, Failure};

const KEY_ID: &str = "OSS_ACCESS_KEY_ID";
const SECRET: &str = "OSS_ACCESS_KEY_SECRET";
const TOKEN: &str = "OSS_SESSION_TOKEN";

/// Longer than any key or token that OSS hands out, in bytes.
const MAX_CREDENTIAL: usize = 16 * 1024;

/// More than all public authorities together, in bytes.
const MAX_CA_BUNDLE: u64 = 16 * 1024 * 1024;

/// A variable of the environment, by its name.
type Variable<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The client for a server, with the credentials of the environment.
pub(crate) fn client(server: &args::Server) -> Result<Client, Failure> {
    client_for(&endpoint(server)?, server)
}

/// The client for the server at this endpoint.
pub(crate) fn client_for(endpoint: &Endpoint, server: &args::Server) -> Result<Client, Failure> {
    let credentials = StaticCredentials::new(credentials(&|name| std::env::var_os(name))?);
    let version = match server.sign_version {
        args::SignVersion::V4 => SignatureVersion::V4,
        args::SignVersion::V1 => SignatureVersion::V1,
    };
    let signer = LocalSigner::new(endpoint.clone(), credentials, version).map_err(|error| match error {
        SignError::NoRegion(endpoint) => {
            bad(format!("the endpoint {endpoint} does not tell the region of the bucket"))
                .note("Name it with --region or OSS_REGION, such as cn-hangzhou.")
        }
        error => bad(error.to_string()),
    })?;
    Ok(Client::with_signer(endpoint, signer, http(server)?))
}

fn http(server: &args::Server) -> Result<HttpSettings, Failure> {
    let named = server.ca_bundle.as_ref().filter(|file| !file.as_os_str().is_empty());
    let Some(file) = named else { return Ok(HttpSettings::new()) };
    let note = "It comes from --ca-bundle or OSS_CA_BUNDLE.";
    let unreadable = |error| bad(format!("cannot read {}: {error}", file.display())).note(note);
    let mut pem = Vec::new();
    let opened = std::fs::File::open(file).map_err(unreadable)?;
    opened.take(MAX_CA_BUNDLE).read_to_end(&mut pem).map_err(unreadable)?;
    HttpSettings::new()
        .trust_only(&pem)
        .map_err(|error| bad(format!("{}: {error}", file.display())).note(note))
}

/// The endpoint that is named, or else that of the region.
pub(crate) fn endpoint(server: &args::Server) -> Result<Endpoint, Failure> {
    // A variable that is set to nothing counts as not set.
    let given =
        |value: &Option<String>| value.as_deref().map(str::trim).filter(|v| !v.is_empty()).map(str::to_owned);
    let region = match given(&server.region) {
        None => None,
        Some(region) => Some(
            region
                .parse::<Region>()
                .map_err(|error| bad(error.to_string()).note("It comes from --region or OSS_REGION."))?,
        ),
    };
    let addressing = match server.addressing_style {
        args::Addressing::Virtual => Addressing::VirtualHost,
        args::Addressing::Path => Addressing::Path,
        args::Addressing::Cname => Addressing::Cname,
    };
    let Some(host) = given(&server.endpoint) else {
        let region = region.ok_or_else(|| {
            bad("neither an endpoint nor a region is given")
                .note("Name the region of the bucket with --region or OSS_REGION, such as cn-hangzhou,")
                .note("or a server with --endpoint or OSS_ENDPOINT.")
        })?;
        return Ok(Endpoint::of_region(region, Network::Public).with_addressing(addressing));
    };
    let endpoint = host.parse::<Endpoint>().map_err(|error| {
        // What stands before an @ may be a password.
        let message =
            if host.contains('@') { "an endpoint has no user".to_owned() } else { error.to_string() };
        bad(message).note(
            "The endpoint is a host such as oss-cn-hangzhou.aliyuncs.com, from --endpoint or OSS_ENDPOINT.",
        )
    })?;
    let endpoint = endpoint.with_addressing(addressing);
    Ok(match region {
        Some(region) => endpoint.with_region(region),
        None => endpoint,
    })
}

fn credentials(variable: Variable<'_>) -> Result<Credentials, Failure> {
    let id = credential(variable, KEY_ID)?;
    let secret = credential(variable, SECRET)?;
    let token = credential(variable, TOKEN)?;
    match (id, secret, token) {
        (Some(id), Some(_), None) if id.starts_with("STS.") => {
            Err(bad(format!("{TOKEN} is not set, and the access key is a temporary one"))
                .note("Temporary keys (STS.…) come with a token: set all three."))
        }
        (Some(id), Some(secret), None) => Ok(Credentials::new(id, secret)),
        (Some(id), Some(secret), Some(token)) => Ok(Credentials::temporary(id, secret, token)),
        (None, None, _) => Err(bad(format!("there are no credentials: {KEY_ID} and {SECRET} are not set"))
            .note("Set them to an access key, and OSS_SESSION_TOKEN too if it is a temporary one.")),
        (None, Some(_), _) => Err(bad(format!("{KEY_ID} is not set, and {SECRET} is"))),
        (Some(_), None, _) => Err(bad(format!("{SECRET} is not set, and {KEY_ID} is"))),
    }
}

/// The value of a variable: none if it is not set or empty. What is wrong with it is told without repeating it.
fn credential(variable: Variable<'_>, name: &str) -> Result<Option<String>, Failure> {
    let Some(value) = variable(name).filter(|value| !value.is_empty()) else { return Ok(None) };
    let value = value.into_string().unwrap_or_default();
    if value.is_empty() || value.len() > MAX_CREDENTIAL || !value.bytes().all(is_of_a_key) {
        return Err(bad(format!("{name} has characters that no key has"))
            .note("Look for a blank, a line end or a quotation mark that came along when it was copied."));
    }
    Ok(Some(value))
}

fn is_of_a_key(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'')
}

/// The object that `text` names; where it ends with the bucket or with `/`, the name of the file completes it.
pub(crate) fn object(text: &str, file: &Path) -> Result<ObjectName, Failure> {
    let place = text.strip_prefix("oss://").is_some_and(|rest| !rest.contains('/') || rest.ends_with('/'));
    let object = if place {
        let separator = if text.ends_with('/') { "" } else { "/" };
        format!("{text}{separator}{}", file_name(file)?).parse()
    } else {
        text.parse()
    };
    object.map_err(|error: InvalidObjectName| bad(format!("'{text}' is not an object: {error}")))
}

/// The bucket that `text` names, and the prefix of keys, if it names one.
pub(crate) fn place(text: &str) -> Result<(BucketName, Option<String>), Failure> {
    let not_one = || bad(format!("'{text}' is not a place: write oss://bucket or oss://bucket/prefix"));
    let rest = text.strip_prefix("oss://").ok_or_else(not_one)?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let bucket = bucket
        .parse()
        .map_err(|error: InvalidBucketName| bad(format!("'{text}' is not a place: {error}")))?;
    Ok((bucket, Some(prefix.to_owned()).filter(|prefix| !prefix.is_empty())))
}

fn file_name(file: &Path) -> Result<String, Failure> {
    // Paths such as '.' and '..' have no name of their own, but what they lead to has.
    let name = file
        .file_name()
        .map(ToOwned::to_owned)
        .or_else(|| Some(file.canonicalize().ok()?.file_name()?.into()));
    name.and_then(|name| name.into_string().ok()).ok_or_else(|| {
        bad(format!("the name of the file {} cannot be part of a key, which is UTF-8", file.display()))
            .note("Write the whole key: oss://bucket/key.")
    })
}

/// The folder for checkpoints.
pub(crate) fn checkpoint_folder(folder: &args::Folder) -> Result<PathBuf, Failure> {
    if let Some(folder) = &folder.checkpoint_dir {
        return Ok(folder.clone());
    }
    let base = etcetera::choose_base_strategy().map_err(|_| {
        bad("the user has no home folder, so it is not clear where to keep the checkpoint")
            .note("Name a folder with --checkpoint-dir, or do without resuming by --no-checkpoint.")
    })?;
    // Where a system has no folder for state, that for data is next.
    Ok(base.state_dir().unwrap_or_else(|| base.data_dir()).join("ossup").join("checkpoints"))
}

fn bad(message: impl Into<String>) -> Failure {
    Failure::new(Code::BadParameter, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(endpoint: Option<&str>, region: Option<&str>) -> args::Server {
        args::Server {
            endpoint: endpoint.map(str::to_owned),
            region: region.map(str::to_owned),
            addressing_style: args::Addressing::Virtual,
            sign_version: args::SignVersion::V4,
            ca_bundle: None,
        }
    }

    fn environment(variables: &[(&str, &str)]) -> Result<Credentials, Failure> {
        credentials(&|name| variables.iter().find(|(other, _)| *other == name).map(|(_, value)| value.into()))
    }

    #[test]
    fn the_endpoint_is_the_one_named_or_that_of_the_region() {
        let of = |host, region| {
            endpoint(&server(host, region)).map(|e| (e.to_string(), e.region().map(ToString::to_string)))
        };
        let hangzhou = Some("cn-hangzhou".to_owned());
        let public = "https://oss-cn-hangzhou.aliyuncs.com".to_owned();
        assert_eq!(of(None, Some("cn-hangzhou")).unwrap(), (public.clone(), hangzhou.clone()));
        assert_eq!(of(None, Some("oss-cn-hangzhou")).unwrap(), (public.clone(), hangzhou.clone()));
        assert_eq!(
            of(Some("oss-cn-hangzhou.aliyuncs.com"), None).unwrap(),
            (public.clone(), hangzhou.clone())
        );
        assert_eq!(of(Some(" "), Some("cn-hangzhou")).unwrap(), (public, hangzhou.clone()));
        assert_eq!(
            of(Some("http://127.0.0.1:9"), Some("cn-hangzhou")).unwrap(),
            ("http://127.0.0.1:9".into(), hangzhou)
        );
    }

    #[test]
    fn a_place_that_cannot_be_one_is_told_with_where_it_came_from() {
        for (host, region, told) in [
            (None, None, "OSS_REGION"),
            (None, Some("Hangzhou!"), "OSS_REGION"),
            (Some("ftp://host"), None, "OSS_ENDPOINT"),
            (Some("bucket.host/key"), None, "OSS_ENDPOINT"),
            (Some("http://user:hush@host"), None, "OSS_ENDPOINT"),
        ] {
            let failure = endpoint(&server(host, region)).unwrap_err();
            assert!(!failure.to_string().contains("hush"), "{failure}");
            assert_eq!(failure.code, Code::BadParameter);
            assert!(failure.to_string().contains(told), "{failure}");
        }
    }

    #[test]
    fn what_is_missing_of_the_credentials_is_named() {
        for (variables, told) in [
            (&[][..], "OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET are not set"),
            (&[(KEY_ID, "LTAI")], "OSS_ACCESS_KEY_SECRET is not set"),
            (&[(KEY_ID, "LTAI"), (SECRET, "")], "OSS_ACCESS_KEY_SECRET is not set"),
            (&[(SECRET, "hush")], "OSS_ACCESS_KEY_ID is not set"),
            (&[(KEY_ID, "STS.x"), (SECRET, "hush")], "OSS_SESSION_TOKEN is not set"),
        ] {
            let failure = environment(variables).unwrap_err();
            assert!(failure.to_string().contains(told), "{failure}");
        }
        assert!(environment(&[(KEY_ID, "LTAI"), (SECRET, "hush"), (TOKEN, "")]).is_ok());
        assert!(environment(&[(KEY_ID, "STS.x"), (SECRET, "hush"), (TOKEN, "token")]).is_ok());
    }

    #[test]
    fn a_key_that_was_copied_with_something_else_is_told_without_repeating_it() {
        for secret in ["hush\n", " hush", "hu sh", "h\u{fc}sh", "\"hush\"", "'hush'"] {
            let failure = environment(&[(KEY_ID, "LTAI"), (SECRET, secret)]).unwrap_err().to_string();
            assert!(failure.contains(SECRET) && !failure.contains(secret.trim()), "{failure}");
        }
    }

    #[test]
    fn a_key_that_is_missing_or_a_folder_is_completed_by_the_name_of_the_file() {
        let of = |text: &str| object(text, Path::new("/data/film one.mp4")).map(|object| object.to_string());
        for (text, expected) in [
            ("oss://bucket", "oss://bucket/film one.mp4"),
            ("oss://bucket/", "oss://bucket/film one.mp4"),
            ("oss://bucket/a/b/", "oss://bucket/a/b/film one.mp4"),
            ("oss://bucket/a/b", "oss://bucket/a/b"),
            ("oss://bucket/a/../%2F +\u{fc}", "oss://bucket/a/../%2F +\u{fc}"),
        ] {
            assert_eq!(of(text).unwrap(), expected);
        }
        for text in
            ["", "bucket/key", "s3://bucket/key", "oss://", "oss:///key", "oss://B/key", "oss://bucket//key"]
        {
            let failure = of(text).unwrap_err();
            assert_eq!(failure.code, Code::BadParameter, "{text}");
        }
    }

    #[test]
    fn a_path_without_a_name_takes_that_of_what_it_leads_to() {
        let name = std::env::current_dir().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
        assert_eq!(object("oss://bucket", Path::new(".")).unwrap().key.as_str(), name);
        assert!(object("oss://bucket", Path::new("/")).is_err());
    }
}
