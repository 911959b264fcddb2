//! What a changed spec means for those who are still pending.

use std::collections::BTreeMap;

use serde_json::Value;

/// The keys whose values differ between two specs, in the order of the alphabet, `send` and `report` apart: they say how
/// fast and where to, not what.
pub(super) fn differences(old: &str, new: &str) -> Vec<String> {
    let (old, new) = (leaves(old), leaves(new));
    let mut keys: Vec<String> = old
        .keys()
        .chain(new.keys())
        .filter(|key| old.get(*key) != new.get(*key))
        .filter(|key| !["send", "report", "description"].iter().any(|part| key.starts_with(part)))
        .cloned()
        .collect();
    keys.sort();
    keys.dedup();
    keys
}

/// Every value of a YAML text under its key; nothing if it cannot be read.
fn leaves(text: &str) -> BTreeMap<String, String> {
    let mut leaves = BTreeMap::new();
    if let Ok(value) = serde_yaml::from_str::<Value>(text) {
        collect("", &value, &mut leaves);
    }
    leaves
}

fn collect(key: &str, value: &Value, into: &mut BTreeMap<String, String>) {
    let below = |part: &str| if key.is_empty() { part.to_owned() } else { format!("{key}.{part}") };
    match value {
        Value::Object(map) => map.iter().for_each(|(part, value)| collect(&below(part), value, into)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, value)| collect(&below(&at.to_string()), value, into));
        }
        leaf => {
            into.insert(key.to_owned(), leaf.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::differences;

    #[test]
    fn changed_keys_are_named_and_speed_is_not_a_change() {
        let old = "name: a\nmessage: { content: Hi, private: true }\nsend: { rate: 1/s }\n";
        let new = "name: a\nmessage: { content: Hello }\nvars: { shop: x }\nsend: { rate: 2/s }\n";
        assert_eq!(differences(old, new), ["message.content", "message.private", "vars.shop"]);
        assert!(differences(old, old).is_empty());
    }
}
