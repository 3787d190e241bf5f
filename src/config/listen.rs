//! An address to serve on.

use std::fmt;
use std::str::FromStr;

/// `HOST:PORT` as given. The host may be a name, an IPv4 address, an IPv6 address in brackets, or nothing for all interfaces.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ListenAddress {
    /// Host without brackets; empty for all interfaces.
    pub host: String,
    /// TCP port; 0 lets the system choose.
    pub port: u16,
}

impl ListenAddress {
    /// Hosts to bind to, in the order of trying until one works: for all interfaces that is IPv6, which on Linux takes IPv4 along,
    /// then IPv4 alone, for hosts where IPv6 is turned off.
    #[must_use]
    pub fn hosts(&self) -> Vec<&str> {
        if self.host.is_empty() { vec!["::", "0.0.0.0"] } else { vec![&self.host] }
    }
}

/// The text is not `HOST:PORT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not HOST:PORT")]
pub struct NotAnAddress;

impl FromStr for ListenAddress {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let (host, port) = text.rsplit_once(':').ok_or(NotAnAddress)?;
        if !port.bytes().all(|b| b.is_ascii_digit()) {
            return Err(NotAnAddress);
        }
        let port = port.parse().map_err(|_| NotAnAddress)?;
        let host = match host.strip_prefix('[') {
            Some(bracketed) => {
                let inner = bracketed.strip_suffix(']').ok_or(NotAnAddress)?;
                inner.parse::<std::net::Ipv6Addr>().map_err(|_| NotAnAddress)?;
                inner
            }
            None => {
                let of_a_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
                if !host.bytes().all(of_a_name) {
                    return Err(NotAnAddress);
                }
                host
            }
        };
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_as_it_was_read() {
        for text in [":5558", "127.0.0.1:5558", "localhost:0", "[::1]:5558", "[::]:65535", "broker-0.svc:80"]
        {
            assert_eq!(text.parse::<ListenAddress>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "5558",
            "localhost",
            "localhost:",
            ":65536",
            ":+1",
            "::1:5558",
            "[::1]",
            "[x]:1",
            "a b:1",
            "http://x:1",
        ] {
            assert_eq!(text.parse::<ListenAddress>(), Err(NotAnAddress), "{text}");
        }
    }

    #[test]
    fn no_host_means_all_interfaces() {
        assert_eq!(":1".parse::<ListenAddress>().unwrap().hosts(), ["::", "0.0.0.0"]);
        assert_eq!("a:1".parse::<ListenAddress>().unwrap().hosts(), ["a"]);
    }
}
