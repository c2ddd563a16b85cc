//! The names of hosts: resolved when a connection is made, and not for each request that goes over one.
//!
//! ureq resolves before it looks whether it has a connection. That would cost every part a query, and an upload whose
//! connections stand would break when the name server does.

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{ConnectionDetails, NextTimeout};

/// What ureq asks for each request: it has no address for anybody.
#[derive(Debug)]
pub(crate) struct Later;

impl Resolver for Later {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        Ok(self.empty())
    }
}

/// The same details, with the addresses that [`Later`] did not give. The time it takes is part of that for connecting.
pub(crate) fn resolved<'a>(
    details: &'a ConnectionDetails<'_>,
    names: &'a dyn Resolver,
) -> Result<ConnectionDetails<'a>, ureq::Error> {
    let mut addrs = names.empty();
    if !details.addrs.is_empty() {
        // Those of a proxy, which ureq asks for at the right time.
        details.addrs.iter().for_each(|address| addrs.push(*address));
    } else if is_ours_to_resolve(details) {
        addrs = names.resolve(details.uri, details.config, details.timeout)?;
    }
    Ok(ConnectionDetails {
        uri: details.uri,
        addrs,
        config: details.config,
        request_level: details.request_level,
        resolver: names,
        now: details.now,
        timeout: details.timeout,
        current_time: details.current_time.clone(),
        run_connector: details.run_connector.clone(),
        register_shutdown: details.register_shutdown.clone(),
    })
}

/// Whether it is not the proxy that resolves the name.
fn is_ours_to_resolve(details: &ConnectionDetails<'_>) -> bool {
    details.config.proxy().is_none_or(|proxy| proxy.is_no_proxy(details.uri) || proxy.resolve_target())
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use ureq::Agent;
    use ureq::unversioned::resolver::DefaultResolver;
    use ureq::unversioned::transport::{Connector, TcpConnector, Transport};

    use super::*;

    /// Counts what is asked.
    #[derive(Debug, Default)]
    struct Counting(AtomicUsize);

    impl Resolver for Counting {
        fn resolve(
            &self,
            uri: &Uri,
            config: &Config,
            timeout: NextTimeout,
        ) -> Result<ResolvedSocketAddrs, ureq::Error> {
            self.0.fetch_add(1, Ordering::SeqCst);
            DefaultResolver::default().resolve(uri, config, timeout)
        }
    }

    #[derive(Debug)]
    struct Direct(Arc<Counting>);

    impl Connector<()> for Direct {
        type Out = Box<dyn Transport>;

        fn connect(
            &self,
            details: &ConnectionDetails<'_>,
            chained: Option<()>,
        ) -> Result<Option<Box<dyn Transport>>, ureq::Error> {
            let details = resolved(details, &*self.0)?;
            let socket = ().chain(TcpConnector::default()).connect(&details, chained)?;
            Ok(socket.map(|socket| Box::new(socket) as Box<dyn Transport>))
        }
    }

    #[test]
    fn a_name_is_resolved_once_for_each_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || {
            // The first connection takes two requests, the second one.
            for answers in [
                &["HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"]
                    [..],
                &["HTTP/1.1 204 No Content\r\n\r\n"][..],
            ] {
                let (mut stream, _) = listener.accept().unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                for answer in answers {
                    let mut line = String::new();
                    while line != "\r\n" {
                        line.clear();
                        assert!(reader.read_line(&mut line).unwrap() > 0);
                    }
                    stream.write_all(answer.as_bytes()).unwrap();
                }
            }
        });
        let names = Arc::new(Counting::default());
        let config = Config::builder().proxy(None).build();
        let agent = Agent::with_parts(config, Direct(Arc::clone(&names)), Later);
        let counts = [1, 1, 2].map(|expected| {
            let answer = agent.get(format!("http://localhost:{port}/")).call().unwrap();
            assert_eq!(answer.status(), 204);
            (names.0.load(Ordering::SeqCst), expected)
        });
        assert!(counts.iter().all(|(count, expected)| count == expected), "{counts:?}");
        server.join().unwrap();
    }
}
