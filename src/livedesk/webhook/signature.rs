//! Whether an event is LiveDesk's: `sha256=` and the HMAC-SHA256 of `TIMESTAMP.BODY` with the webhook's secret, as its
//! ancestor signs since version 4.11.

use std::fmt;

use jiff::Timestamp;
use ring::hmac;

use crate::secret::Secret;

/// An event that is older or newer than this by our clock is not believed: it may be somebody's copy.
const TOLERANCE_SECONDS: u64 = 300;

/// Checks signatures with one secret.
#[derive(Clone)]
pub struct Signatures(hmac::Key);

impl fmt::Debug for Signatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signatures(***)")
    }
}

/// Why an event is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Invalid {
    /// It has no signature or no time.
    #[error("not signed")]
    Unsigned,
    /// Its signature is not that of the secret.
    #[error("a wrong signature")]
    WrongSignature,
    /// It was signed too long ago, or in the future.
    #[error("signed more than 5 minutes ago, or in the future: check the clock")]
    WrongTime,
    /// It was longer than is read, or did not come whole in time.
    #[error("not whole")]
    NotWhole,
}

impl Signatures {
    /// With this secret.
    pub fn new(secret: &Secret<String>) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes()))
    }

    /// Checks an event by the values of its headers.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn check(
        &self,
        signature: Option<&str>,
        timestamp: Option<&str>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<(), Invalid> {
        let (Some(signature), Some(timestamp)) = (signature, timestamp) else { return Err(Invalid::Unsigned) };
        let digest = signature.trim().strip_prefix("sha256=").and_then(bytes).ok_or(Invalid::WrongSignature)?;
        let mut signed = Vec::with_capacity(timestamp.len() + 1 + body.len());
        signed.extend_from_slice(timestamp.as_bytes());
        signed.push(b'.');
        signed.extend_from_slice(body);
        hmac::verify(&self.0, &signed, &digest).map_err(|_| Invalid::WrongSignature)?;
        let seconds: i64 = timestamp.trim().parse().map_err(|_| Invalid::WrongTime)?;
        if seconds.abs_diff(now.as_second()) > TOLERANCE_SECONDS { Err(Invalid::WrongTime) } else { Ok(()) }
    }
}

/// Hexadecimal digits as bytes.
fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = hex.chars().map(|c| u8::try_from(c.to_digit(16)?).ok()).collect::<Option<_>>()?;
    let pairs = digits.chunks_exact(2);
    pairs.remainder().is_empty().then(|| pairs.map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    const BODY: &[u8] = br#"{"event":"message_updated"}"#;

    fn signature(secret: &str, timestamp: &str, body: &[u8]) -> String {
        let signed = [timestamp.as_bytes(), b".", body].concat();
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), &signed);
        format!("sha256={}", HEXLOWER.encode(tag.as_ref()))
    }

    #[test]
    fn only_what_was_signed_lately_with_the_secret_is_believed() {
        let signatures = Signatures::new(&Secret::new("wh-s3cret".to_owned()));
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let good = signature("wh-s3cret", "1700000000", BODY);
        let check = |signature: Option<&str>, timestamp: Option<&str>, body: &[u8]| {
            signatures.check(signature, timestamp, body, now)
        };
        assert_eq!(check(Some(&good), Some("1700000000"), BODY), Ok(()));
        assert_eq!(check(Some(&good.to_uppercase().replace("SHA", "sha")), Some("1700000000"), BODY), Ok(()));
        assert_eq!(check(None, Some("1700000000"), BODY), Err(Invalid::Unsigned));
        assert_eq!(check(Some(&good), None, BODY), Err(Invalid::Unsigned));
        for (signature, timestamp, body) in [
            (&*good, "1700000001", BODY),
            (&good, "1700000000", b"{}"),
            (&signature("another", "1700000000", BODY), "1700000000", BODY),
            ("sha256=", "1700000000", BODY),
            ("sha256=abc", "1700000000", BODY),
            ("sha256=zz", "1700000000", BODY),
            ("md5=00", "1700000000", BODY),
            ("", "", BODY),
        ] {
            assert_eq!(check(Some(signature), Some(timestamp), body), Err(Invalid::WrongSignature), "{signature}");
        }
        for timestamp in ["1699999699", "1700000301", "0", "soon", "99999999999999999999"] {
            let signature = signature("wh-s3cret", timestamp, BODY);
            assert_eq!(check(Some(&signature), Some(timestamp), BODY), Err(Invalid::WrongTime), "{timestamp}");
        }
        assert!(!format!("{signatures:?}").contains("s3cret"));
    }

    /// RFC 4231, test case 2, with our way of putting the parts together.
    #[test]
    fn the_digest_is_the_standards() {
        let signatures = Signatures::new(&Secret::new("Jefe".to_owned()));
        let now = Timestamp::UNIX_EPOCH;
        let with_time = signature("Jefe", "0", b"what do ya want for nothing?");
        assert_eq!(signatures.check(Some(&with_time), Some("0"), b"what do ya want for nothing?", now), Ok(()));
        let tag = hmac::sign(&signatures.0, b"what do ya want for nothing?");
        assert_eq!(bytes("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843").unwrap(), tag.as_ref());
    }
}
