//! A spec's text is read, or each problem has a place in it and can be drawn.
#![no_main]

use std::path::PathBuf;

use campaign::problem::DrawOptions;
use campaign::specification::{Source, Spec};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let source = Source { name: "campaign.yaml".to_owned(), text: text.to_owned() };
    match Spec::parse(&source, PathBuf::new(), &[]) {
        Ok(spec) => {
            spec.differences("name: other\nvars: { a: 1 }\n");
            spec.key_rule();
        }
        Err(problems) => {
            assert!(!problems.is_empty(), "refused without a problem");
            for problem in problems.iter().take(20) {
                assert!(!problem.render(DrawOptions::PLAIN).is_empty());
            }
        }
    }
});
