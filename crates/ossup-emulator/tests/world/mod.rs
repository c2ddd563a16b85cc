//! A model to send requests to, and its answers, read.

#![allow(dead_code, reason = "each file of tests uses some of it")]

use bytes::Bytes;
use http::{Request, Response};
use ossup_core::digest::Md5;
use ossup_core::time::Timestamp;
use ossup_emulator::{Clock, Config, Model};

pub(crate) struct World(pub(crate) Model);

/// An answer, read.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    pub(crate) response: Response<Bytes>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The text of the first element of that name.
    pub(crate) fn element(&self, name: &str) -> &str {
        let (_, rest) = self.body.split_once(&format!("<{name}>")).unwrap_or(("", ""));
        rest.split_once(&format!("</{name}>")).map_or("", |(text, _)| text)
    }

    pub(crate) fn elements(&self, name: &str) -> Vec<&str> {
        let open = format!("<{name}>");
        self.body.split(&open).skip(1).map(|piece| piece.split_once("</").unwrap().0).collect()
    }

    pub(crate) fn assert_error(&self, status: u16, code: &str) -> &Self {
        assert_eq!((self.status, self.element("Code")), (status, code), "{}", self.body);
        self
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let mut config = Config::default();
        config.check_signatures = false;
        config.min_part_size = 4;
        let model = Model::new(config, Clock::fixed(Timestamp::from_unix(1_702_743_657)));
        model.create_bucket("bkt").unwrap();
        Self(model)
    }

    pub(crate) fn send(&self, method: &str, uri: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(uri).header("Host", "127.0.0.1:80");
        if method == "PUT" || method == "POST" {
            request = request.header("Content-Length", body.len());
        }
        for (name, value) in headers {
            request = request.header(*name, value.as_bytes());
        }
        let response = self.0.handle(request.body(Bytes::copy_from_slice(body.as_bytes())).unwrap());
        let body = String::from_utf8_lossy(response.body()).into_owned();
        Answer { status: response.status().as_u16(), body, response }
    }

    pub(crate) fn get(&self, uri: &str) -> Answer {
        self.send("GET", uri, &[], "")
    }

    pub(crate) fn put(&self, uri: &str, body: &str) -> Answer {
        self.send("PUT", uri, &[], body)
    }

    pub(crate) fn initiate(&self, key: &str) -> String {
        let answer = self.send("POST", &format!("/bkt/{key}?uploads"), &[], "");
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.element("UploadId").to_owned()
    }

    pub(crate) fn part(&self, key: &str, id: &str, number: u16, body: &str) -> Answer {
        self.put(&format!("/bkt/{key}?partNumber={number}&uploadId={id}"), body)
    }

    pub(crate) fn complete(&self, key: &str, id: &str, parts: &[(u16, &str)]) -> Answer {
        self.send("POST", &format!("/bkt/{key}?uploadId={id}"), &[], &list(parts))
    }
}

/// The document of Complete, for parts with these bodies.
pub(crate) fn list(parts: &[(u16, &str)]) -> String {
    let part = |(number, body): &(u16, &str)| {
        let etag = Md5::of(body.as_bytes());
        format!("<Part><PartNumber>{number}</PartNumber><ETag>\"{etag}\"</ETag></Part>")
    };
    let parts: String = parts.iter().map(part).collect();
    format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>")
}
