//! DLedger's two small text files beside its data, in the form of [`JavaProperties`].
//!
//! | file | key | value |
//! |---|---|---|
//! | `checkpoint` | `endIndex` | index of the last entry; recovery does not read it |
//! | `checkpoint` | `committedIndex` | index up to which entries are committed; sets where dispatch starts |
//! | `currterm` | `currTerm` | the node's term |
//! | `currterm` | `voteLeader` | whom it voted for, or empty |
//!
//! The order of keys varies. A file that is missing or malformed counts as one without keys; a `committedIndex` that is no
//! number ends upstream's recovery with an exception, a `currTerm` that is none is logged and passed over.
//!
//! Upstream: `DLedgerMmapFileStore.recover`, `persistCheckPoint`; `MemberState.loadTerm`, libraries 0.3.1 to 0.3.2.

use super::java_properties::{JavaProperties, JavaPropertiesError};

/// Why one of the files cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerCheckpointError {
    /// It is not in the form of properties; upstream takes it for missing.
    #[error(transparent)]
    Form(#[from] JavaPropertiesError),
    /// A value is no number.
    #[error("{key} is {value:?}, not a whole number")]
    Number {
        /// Key of the value.
        key: &'static str,
        /// What is there.
        value: String,
    },
}

/// Content of DLedger's `checkpoint`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LedgerCheckpoint {
    /// Index of the last entry; absent also if it is no number, as nothing reads it.
    pub end_index: Option<i64>,
    /// Index up to which entries are committed; -1 if none was.
    pub committed_index: Option<i64>,
}

impl LedgerCheckpoint {
    /// Decodes the file.
    ///
    /// # Errors
    ///
    /// If it is malformed, or the committed index is neither empty nor a number.
    pub fn decode(bytes: &[u8]) -> Result<Self, LedgerCheckpointError> {
        let properties = JavaProperties::parse(bytes)?;
        Ok(Self {
            end_index: number(&properties, "endIndex").unwrap_or_default(),
            committed_index: number(&properties, "committedIndex")?,
        })
    }
}

/// Content of DLedger's `currterm`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LedgerTerm {
    /// The node's term.
    pub curr_term: Option<i64>,
    /// Whom the node voted for in it.
    pub vote_leader: Option<String>,
}

impl LedgerTerm {
    /// Decodes the file.
    ///
    /// # Errors
    ///
    /// If it is malformed, or the term is neither empty nor a number.
    pub fn decode(bytes: &[u8]) -> Result<Self, LedgerCheckpointError> {
        let properties = JavaProperties::parse(bytes)?;
        Ok(Self {
            curr_term: number(&properties, "currTerm")?,
            vote_leader: properties.get("voteLeader").filter(|vote| !vote.is_empty()).map(str::to_owned),
        })
    }
}

fn number(properties: &JavaProperties, key: &'static str) -> Result<Option<i64>, LedgerCheckpointError> {
    match properties.get(key).map(str::trim) {
        None | Some("") => Ok(None),
        Some(value) => match value.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(LedgerCheckpointError::Number { key, value: value.to_owned() }),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_or_empty_value_is_unknown_not_zero() {
        assert_eq!(LedgerCheckpoint::decode(b"").unwrap(), LedgerCheckpoint::default());
        let found = LedgerCheckpoint::decode(b"endIndex=-1\ncommittedIndex= \n").unwrap();
        assert_eq!(found, LedgerCheckpoint { end_index: Some(-1), committed_index: None });
        assert_eq!(LedgerTerm::decode(b"voteLeader=\ncurrTerm=7\n").unwrap().vote_leader, None);
    }

    #[test]
    fn a_value_that_is_no_number_is_told_with_its_key() {
        let found = LedgerCheckpoint::decode(b"committedIndex=12x\n");
        let value = "12x".to_owned();
        assert_eq!(found, Err(LedgerCheckpointError::Number { key: "committedIndex", value }));
        assert!(LedgerTerm::decode(b"currTerm=\\u0\n").is_err());
    }

    #[test]
    fn an_end_index_that_is_no_number_is_passed_over() {
        let found = LedgerCheckpoint::decode(b"endIndex=x\ncommittedIndex=3\n").unwrap();
        assert_eq!(found, LedgerCheckpoint { end_index: None, committed_index: Some(3) });
    }
}
