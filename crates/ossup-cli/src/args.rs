//! The command line: what can be said, not what it comes to.

#![expect(clippy::doc_markdown, reason = "the comments are what --help prints")]

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::TypedValueParser as _;
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use ossup_core::endpoint::Region;
use ossup_core::options::{Acl, StorageClass};
use ossup_core::part::UploadId;
use ossup_core::time::Timestamp;

/// Resumable uploads to Alibaba Cloud OSS
#[derive(Parser, Debug)]
#[command(name = "ossup", version, max_term_width = 100, after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const AFTER_HELP: &str = "\
Credentials are read from OSS_ACCESS_KEY_ID, OSS_ACCESS_KEY_SECRET and, for temporary ones, OSS_SESSION_TOKEN.

Exit codes:
   0  it worked
   1  bad parameter or setting
   2  the server said no
   3  failure on this side: a file, the network
   5  interrupted
   6  the source changed
   7  bytes arrived as others than were sent
   8  another process has this upload under way
   9  an earlier run cannot be resumed
  10  stored, but the callback failed
 130  interrupted a second time: ended at once";

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Upload a file; the same command, run again, resumes an upload that was cut off
    Upload(Box<Upload>),
    /// List the uploads that were cut off, by their checkpoints and, if a place is named, on the server
    Status(Status),
    /// Delete what an upload that was cut off has sent, and its checkpoint
    Abort(Abort),
    /// Run a look-alike of OSS on this machine
    Emulator(Emulator),
    /// Show an upload that is cut off and resumed, without an account or a network
    Demo(Demo),
}

const UPLOAD_EXAMPLES: &str = "\
Examples:
  ossup upload film.mp4 oss://my-bucket/films/
      To oss://my-bucket/films/film.mp4. Cut off by whatever, the same command goes on from there.
  ossup upload disk.img oss://my-bucket/disk.img --adaptive --storage-class IA --wait-for-network
  ossup upload film.mp4 oss://my-bucket/films/ --no-checkpoint --resume adopt
      Without anything on this machine's disk: what there is on the server is compared and kept.
  ossup upload film.mp4 oss://my-bucket/films/ --output json --progress none

The bucket's region comes from --region or OSS_REGION, its endpoint from that or from --endpoint or OSS_ENDPOINT.
";

#[derive(ClapArgs, Debug)]
#[command(after_long_help = format!("{UPLOAD_EXAMPLES}{AFTER_HELP}"), after_help = UPLOAD_EXAMPLES)]
pub(crate) struct Upload {
    /// The file to upload
    pub(crate) file: PathBuf,
    /// Where to: oss://bucket/key; a key that is missing or ends with '/' is completed by the file's name
    pub(crate) object: String,
    #[command(flatten)]
    pub(crate) server: Server,
    #[command(flatten)]
    pub(crate) how: How,
    #[command(flatten)]
    pub(crate) folder: Folder,
    /// Keep no checkpoint: what is cut off begins again
    #[arg(long, conflicts_with = "checkpoint_dir")]
    pub(crate) no_checkpoint: bool,
    #[command(flatten)]
    pub(crate) attributes: Attributes,
    /// Print nothing but errors, and what the application answers to a callback
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Say what would be sent, and what an earlier run has left to go on from; send nothing
    #[arg(long, conflicts_with_all = ["output", "quiet"])]
    pub(crate) dry_run: bool,
    /// What to print on standard output
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Output::Text)]
    pub(crate) output: Output,
    /// How to show how far it has come
    #[arg(long, value_enum, value_name = "HOW", default_value_t = Show::Auto)]
    pub(crate) progress: Show,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Output {
    /// What the application answers to a callback, and nothing else
    Text,
    /// What happens, one JSON object a line, the last of them the end
    Json,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Show {
    /// A bar on a terminal, else lines
    Auto,
    /// A bar, where there is a terminal that can draw one
    Bar,
    /// A line every 5 seconds
    Lines,
    /// Not at all
    None,
}

/// Where the server is, and how to talk to it
#[derive(ClapArgs, Clone, Debug)]
#[command(next_help_heading = "Server")]
pub(crate) struct Server {
    /// Endpoint, such as oss-cn-hangzhou.aliyuncs.com or http://127.0.0.1:9000 [default: the region's]
    #[arg(short, long, env = "OSS_ENDPOINT", hide_env_values = true, value_name = "HOST")]
    pub(crate) endpoint: Option<String>,
    /// Region of the bucket, such as cn-hangzhou [default: the endpoint's]
    #[arg(long, env = "OSS_REGION", hide_env_values = true)]
    pub(crate) region: Option<String>,
    /// How the bucket is addressed
    #[arg(long, value_enum, value_name = "HOW", default_value_t = Addressing::Virtual)]
    pub(crate) addressing_style: Addressing,
    /// Version of the signature
    #[arg(long, value_enum, value_name = "VERSION", default_value_t = SignVersion::V4)]
    pub(crate) sign_version: SignVersion,
    /// Certificate authorities to trust (PEM) instead of the public ones
    #[arg(
        long,
        env = "OSS_CA_BUNDLE",
        hide_env_values = true,
        value_name = "FILE",
        // That of paths refuses an empty one, and a variable that is set to nothing counts as not set.
        value_parser = clap::builder::OsStringValueParser::new().map(PathBuf::from)
    )]
    pub(crate) ca_bundle: Option<PathBuf>,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Addressing {
    /// bucket.endpoint (path style by itself where the endpoint is an IP address)
    Virtual,
    /// endpoint/bucket
    Path,
    /// The endpoint is a domain of your own that is bound to the bucket
    Cname,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SignVersion {
    /// OSS4-HMAC-SHA256
    V4,
    /// HMAC-SHA1, for what is older
    V1,
}

/// Where checkpoints are kept
#[derive(ClapArgs, Debug)]
pub(crate) struct Folder {
    /// Folder for checkpoints [default: ossup/checkpoints in the user's state folder]
    #[arg(long, value_name = "DIR")]
    pub(crate) checkpoint_dir: Option<PathBuf>,
}

/// How the upload is done
#[derive(ClapArgs, Debug)]
#[command(next_help_heading = "Upload")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct How {
    /// Size of the parts: bytes, or with K, M, G (1024-based); grown where 10,000 parts would not do
    #[arg(long, value_name = "SIZE", default_value = "8M")]
    pub(crate) part_size: Size,
    /// Parts in flight at once, up to 256
    #[arg(short = 'j', long, value_name = "N", default_value = "4", value_parser = parallel)]
    pub(crate) parallel: NonZeroU16,
    /// Fit the size of parts to the file, and put up to 16 (or twice -j) in flight where the link carries them
    #[arg(long, conflicts_with = "part_size")]
    pub(crate) adaptive: bool,
    /// Files up to this size go up in one request; 0 sends all but empty files in parts
    #[arg(long, value_name = "SIZE", default_value = "8M")]
    pub(crate) put_threshold: Size,
    /// What of earlier runs may be used
    #[arg(long, value_enum, value_name = "HOW", default_value_t = Resume::Checkpoint)]
    pub(crate) resume: Resume,
    /// What to do when an earlier run cannot be resumed
    #[arg(long, value_enum, value_name = "HOW", default_value_t = Unresumable::Restart)]
    pub(crate) if_unresumable: Unresumable,
    /// What to do when the file has changed since its parts were sent
    #[arg(long, value_enum, value_name = "HOW", default_value_t = Changed::Keep)]
    pub(crate) if_changed: Changed,
    /// Compare all parts of earlier runs with the file, not only where there is doubt
    #[arg(long)]
    pub(crate) recheck: bool,
    /// Which check values are computed and compared
    #[arg(long, value_enum, value_name = "HOW", default_value_t = Integrity::Md5Crc)]
    pub(crate) integrity: Integrity,
    /// How often the server may fail one request
    #[arg(long, value_name = "N", default_value = "8", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) attempts: u32,
    /// How long to wait for a network that is gone
    #[arg(long, value_name = "SECONDS", default_value = "1800")]
    pub(crate) patience: u64,
    /// Go on trying for as long as there is no network
    #[arg(long, conflicts_with = "patience")]
    pub(crate) wait_for_network: bool,
    /// On Ctrl-C, delete what was sent instead of keeping it for the next run
    #[arg(long)]
    pub(crate) abort_on_interrupt: bool,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Resume {
    /// Nothing: an unfinished upload is deleted and begun again
    Never,
    /// What the checkpoint knows
    Checkpoint,
    /// Without a checkpoint, any unfinished upload of this key that the server has; the object keeps the attributes that it was
    /// begun with
    Adopt,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unresumable {
    /// Begin again
    Restart,
    /// End with exit code 9, now and each time until it may begin again
    Fail,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Changed {
    /// Keep the parts that still match
    Keep,
    /// Begin again
    Restart,
    /// End with exit code 6
    Fail,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Integrity {
    /// MD5 of each part, CRC-64 of each part and of the object
    Md5Crc,
    /// CRC-64 alone: cheaper
    Crc,
    /// None
    None,
}

/// What the object is to be like
#[derive(ClapArgs, Debug)]
#[command(next_help_heading = "Object")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct Attributes {
    /// Content-Type [default: guessed from the name]
    #[arg(long, value_name = "TYPE")]
    pub(crate) content_type: Option<String>,
    #[arg(long, value_name = "VALUE", help = "Cache-Control")]
    pub(crate) cache_control: Option<String>,
    #[arg(long, value_name = "VALUE", help = "Content-Disposition")]
    pub(crate) content_disposition: Option<String>,
    #[arg(long, value_name = "VALUE", help = "Content-Encoding")]
    pub(crate) content_encoding: Option<String>,
    #[arg(long, value_name = "DATE", help = "Expires, such as 'Sat, 16 Dec 2028 16:20:57 GMT'", value_parser = date)]
    pub(crate) expires: Option<String>,
    /// User metadata; may be given more than once
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) metadata: Vec<(String, String)>,
    /// Tag; may be given more than once
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) tagging: Vec<(String, String)>,
    /// default, private, public-read or public-read-write
    #[arg(long)]
    pub(crate) acl: Option<Acl>,
    /// Standard, IA, Archive, ColdArchive or DeepColdArchive
    #[arg(long, value_name = "CLASS")]
    pub(crate) storage_class: Option<StorageClass>,
    /// Server-side encryption
    #[arg(long, value_enum, value_name = "METHOD", ignore_case = true)]
    pub(crate) sse: Option<Encryption>,
    /// Key for --sse KMS [default: the account's]
    #[arg(long, value_name = "ID", requires = "sse")]
    pub(crate) sse_kms_key_id: Option<String>,
    /// With --sse KMS, encrypt the data by SM4 instead of AES-256
    #[arg(long, requires = "sse")]
    pub(crate) sse_kms_sm4: bool,
    /// Pay for the requests in place of the bucket's owner
    #[arg(long)]
    pub(crate) request_payer: bool,
    /// Speed of each request that carries data, in bit/s: 245760 to 838860800
    #[arg(long, value_name = "BITS")]
    pub(crate) traffic_limit: Option<u64>,
    /// Have the server take the parts in order only, one at a time
    #[arg(long)]
    pub(crate) sequential: bool,
    /// Complete with all parts that the server has, instead of with a list
    #[arg(long)]
    pub(crate) complete_all: bool,
    /// Fail if there is an object under the key
    #[arg(long)]
    pub(crate) forbid_overwrite: bool,
    /// URL that OSS is to call when the object is there; up to 5
    #[arg(long, value_name = "URL", requires = "callback_body")]
    pub(crate) callback_url: Vec<String>,
    /// Body of that call, such as 'bucket=${bucket}&object=${object}'
    #[arg(long, value_name = "TEMPLATE", requires = "callback_url")]
    pub(crate) callback_body: Option<String>,
    /// Media type of that body
    #[arg(long, value_enum, value_name = "TYPE", default_value_t = CallbackBody::Form, requires = "callback_url")]
    pub(crate) callback_body_type: CallbackBody,
    /// Host header of that call [default: the URL's]
    #[arg(long, value_name = "HOST", requires = "callback_url")]
    pub(crate) callback_host: Option<String>,
    /// Have OSS name the host when it agrees on TLS (SNI)
    #[arg(long, requires = "callback_url")]
    pub(crate) callback_sni: bool,
    /// Variable x:NAME for that body; may be given more than once
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair, requires = "callback_url")]
    pub(crate) callback_var: Vec<(String, String)>,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CallbackBody {
    /// application/x-www-form-urlencoded
    Form,
    /// application/json
    Json,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Encryption {
    #[value(name = "AES256", help = "By AES-256, with keys of OSS")]
    Aes256,
    #[value(name = "SM4", help = "By SM4, with keys of OSS")]
    Sm4,
    #[value(name = "KMS", help = "By AES-256, with a key of KMS")]
    Kms,
}

#[derive(ClapArgs, Debug)]
pub(crate) struct Status {
    /// Ask the server, too, what is unfinished there: oss://bucket, or oss://bucket/prefix
    pub(crate) place: Option<String>,
    #[command(flatten)]
    pub(crate) server: Server,
    #[command(flatten)]
    pub(crate) folder: Folder,
}

#[derive(ClapArgs, Debug)]
pub(crate) struct Abort {
    /// Which upload: oss://bucket/key, or the name of its checkpoint as `ossup status` shows it
    pub(crate) upload: String,
    /// The upload of that key with this id, checkpoint or not
    #[arg(long, value_name = "ID")]
    pub(crate) upload_id: Option<UploadId>,
    /// All uploads on the server whose keys begin so (oss://bucket or oss://bucket/prefix), that no checkpoint here
    /// leads to, and that began so long ago, such as 12h or 7d: another machine may be at work on a younger one
    #[arg(long, value_name = "AGE", conflicts_with = "upload_id")]
    pub(crate) strays_older_than: Option<Age>,
    #[command(flatten)]
    pub(crate) server: Server,
    #[command(flatten)]
    pub(crate) folder: Folder,
}

#[derive(ClapArgs, Debug)]
pub(crate) struct Emulator {
    /// Address to listen on; port 0 is any that is free
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9000", value_parser = address)]
    pub(crate) listen: SocketAddr,
    /// Address for the admin interface, by which tests make it fail; whoever reaches it can do anything
    #[arg(long, value_name = "HOST:PORT", value_parser = address)]
    pub(crate) admin: Option<SocketAddr>,
    /// Folder that keeps buckets and objects [default: memory]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Bucket to have from the start; may be given more than once
    #[arg(long, value_name = "NAME", default_value = ossup_emulator::DEFAULT_BUCKET)]
    pub(crate) bucket: Vec<String>,
    /// Region that it is in
    #[arg(long, default_value = ossup_emulator::DEFAULT_REGION)]
    pub(crate) region: Region,
    /// Speak https, and write the certificate that was made for it to this file, for clients to trust
    #[arg(long, value_name = "FILE")]
    pub(crate) https: Option<PathBuf>,
    /// Allow every request, signed or not
    #[arg(long)]
    pub(crate) unsigned: bool,
    /// Make callbacks to other machines too; whoever may upload can then have this one send requests
    #[arg(long)]
    pub(crate) remote_callbacks: bool,
    /// Abort uploads that are older than this, as a lifecycle rule does
    #[arg(long, value_name = "AGE")]
    pub(crate) upload_lifetime: Option<Age>,
}

#[derive(ClapArgs, Debug)]
pub(crate) struct Demo {
    /// The file to upload; it is only read [default: 256 MiB of random bytes]
    pub(crate) file: Option<PathBuf>,
}

/// A number of bytes, such as `8M` or `100Ki`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Size(pub(crate) u64);

impl FromStr for Size {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        let wrong = || format!("'{s}' is not a size such as 8M, 100Ki or 5G");
        let digits = s.find(|c: char| !c.is_ascii_digit()).unwrap_or(s.len());
        let (number, unit) = s.split_at(digits);
        let shift = match &*unit.to_ascii_lowercase() {
            "" | "b" => 0,
            "k" | "kb" | "ki" | "kib" => 10,
            "m" | "mb" | "mi" | "mib" => 20,
            "g" | "gb" | "gi" | "gib" => 30,
            "t" | "tb" | "ti" | "tib" => 40,
            _ => return Err(wrong()),
        };
        let number: u64 = number.parse().map_err(|_| wrong())?;
        number.checked_mul(1 << shift).map(Self).ok_or_else(wrong)
    }
}

/// A time that has passed, such as `90m`, `12h` or `7d`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Age(pub(crate) Duration);

impl FromStr for Age {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        let wrong = || format!("'{s}' is not a time such as 90m, 12h or 7d");
        let digits = s.find(|c: char| !c.is_ascii_digit()).unwrap_or(s.len());
        let (number, unit) = s.split_at(digits);
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 60 * 60,
            "d" => 24 * 60 * 60,
            "w" => 7 * 24 * 60 * 60,
            _ => return Err(wrong()),
        };
        let number: u64 = number.parse().map_err(|_| wrong())?;
        number.checked_mul(seconds).map(Duration::from_secs).map(Self).ok_or_else(wrong)
    }
}

/// As many connections as a server may still take for one client's.
const MOST_PARALLEL: u16 = 256;

fn parallel(s: &str) -> Result<NonZeroU16, String> {
    let number: Option<NonZeroU16> = s.parse().ok().filter(|n: &NonZeroU16| n.get() <= MOST_PARALLEL);
    number.ok_or_else(|| format!("'{s}' is not a number from 1 to {MOST_PARALLEL}"))
}

/// An address, or one that a name has: of IPv4 if there is one, since not every client can be given another.
fn address(s: &str) -> Result<SocketAddr, String> {
    let addresses: Vec<_> = s.to_socket_addrs().map_err(|error| error.to_string())?.collect();
    let four = addresses.iter().find(|address| address.is_ipv4());
    four.or(addresses.first()).copied().ok_or_else(|| "the name has no address".to_owned())
}

fn date(s: &str) -> Result<String, String> {
    let date = Timestamp::parse(s).map(Timestamp::to_http_date);
    date.ok_or_else(|| format!("'{s}' is not a date such as 'Sat, 16 Dec 2028 16:20:57 GMT'"))
}

fn pair(s: &str) -> Result<(String, String), String> {
    let (name, value) = s.split_once('=').ok_or_else(|| format!("'{s}' is not NAME=VALUE"))?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory as _;
        Args::command().debug_assert();
    }

    #[test]
    fn ages_have_a_unit() {
        let age = |s: &str| s.parse::<Age>().map(|age| age.0.as_secs());
        assert_eq!(
            (age("0s"), age("90m"), age("12h"), age("7d")),
            (Ok(0), Ok(5400), Ok(43_200), Ok(604_800))
        );
        assert_eq!(age("1w"), age("7d"));
        let wrong = ["", "7", "d", "7y", "-1d", "99999999999999999999d", "999999999999999999d"];
        assert!(wrong.iter().all(|s| age(s).is_err()));
    }

    #[test]
    fn sizes_are_1024_based() {
        let size = |s: &str| s.parse::<Size>().map(|size| size.0);
        assert_eq!(size("0"), Ok(0));
        assert_eq!(size("102400"), Ok(102_400));
        assert_eq!(size("100Ki"), Ok(102_400));
        assert_eq!(size("8M"), Ok(8 << 20));
        assert_eq!(size("5GiB"), Ok(5 << 30));
        assert!(size("").is_err());
        assert!(size("M").is_err());
        assert!(size("8X").is_err());
        assert_eq!(size("7b"), Ok(7));
        assert!(["8bbb", "8iii", "8i", "8kibb"].iter().all(|s| size(s).is_err()));
        assert!(size("99999999999999T").is_err());
    }
}
