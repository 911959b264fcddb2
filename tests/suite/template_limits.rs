//! Nothing that a spec's templates hold takes the machine: each is refused with its place, or applied, within bounds.

use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::command;

/// Bytes that the process may take.
const MAX_MEMORY: u64 = 300_000_000;

const MAX_TIME: Duration = Duration::from_secs(20);

/// What a template asks for, and how the check of it ends.
fn templates() -> Vec<(String, i32)> {
    let many = |part: &str, times: usize| part.repeat(times);
    let doubled = |set: &str| format!("{}{{{{ a|length }}}}", set.repeat(40));
    let fed_back = |value: &str, end: &str| {
        format!(
            "{{% set ns = namespace(a=[]) %}}{{% for i in range(9000) %}}{{% set ns.a = {value} %}}{{% if i == 200 %}}{end}\
             {{% endif %}}{{% endfor %}}"
        )
    };
    let nested = format!("{}ns.a{}", many("[", 70), many("]", 70));
    vec![
        // Chains.
        (format!("{{{{ id{} }}}}", many(" ~ id", 20_000)), 2),
        (format!("{{{{ id{} }}}}", many("|upper", 20_000)), 2),
        (format!("{{{{ {}id }}}}", many("not ", 20_000)), 2),
        (format!("{{{{ id{} }}}}", many(".a", 20_000)), 2),
        (format!("{{% if id == 1 %}}{}{{% endif %}}", many("{% elif id == 1 %}", 20_000)), 2),
        (format!("{{{{ {}id }}}}", many("(", 20_000)), 2),
        (many("{% if id %}", 5_000), 2),
        (many("{{ unknown }}", 3_000), 2),
        // As long as they may be.
        (format!("{{{{ id{} }}}}", many(" ~ id", 490)), 0),
        (format!("{{{{ {}(id == 'a') }}}}", many("not ", 900)), 0),
        (format!("{{% if id == 'a' %}}a{}{{% else %}}c{{% endif %}}", many("{% elif id == 'b' %}b", 490)), 0),
        // Lists in lists, calls in calls.
        (fed_back("[ns.a]", ""), 2),
        (fed_back(&nested, "{{ ns.a }}"), 2),
        (fed_back(&nested, "{{ ns.a|tojson }}"), 2),
        (fed_back(&nested, "{{ ns.a == [ns.a] }}{{ ns.a|pprint|length }}"), 2),
        (fed_back("ns.a[0:]", "{{ ns.a|list|length }}"), 2),
        ("{% set ns = namespace(a=1) %}{% set ns.a = [ns] %}{{ ns }}".to_owned(), 2),
        ("{% macro m(x) %}{{ m(x) }}{% endmacro %}{{ m(1) }}".to_owned(), 2),
        ("{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}".to_owned(), 2),
        // One huge request.
        ("{{ 'a\nb'|indent(2000000000) }}".to_owned(), 2),
        ("{{ 'a\nb'|indent(9000000000000000000) }}".to_owned(), 2),
        ("{{ '%1000000000d'|format(1) }}".to_owned(), 2),
        ("{{ '{:1000000000}'.format(1) }}".to_owned(), 2),
        ("{{ [1]|batch(1000000000000, 'x') }}".to_owned(), 2),
        ("{{ range(9223372036854775807, -9223372036854775807, -2)|list }}".to_owned(), 2),
        ("{{ ('x' * 90000000)|length }}{{ ('y' * 90000000)|length }}".to_owned(), 2),
        ("{{ ('a' * 1000000)|replace('a', 'b' * 1000)|length }}".to_owned(), 2),
        ("{{ range(90000)|join('b' * 100000)|length }}".to_owned(), 2),
        // Small ones that add up.
        (format!("{{% set a = 'abc' %}}{}", doubled("{% set a = a ~ a %}")), 2),
        (format!("{{% set a = id %}}{}", doubled("{% set a = a + a %}")), 2),
        (format!("{{% set a = [1] %}}{}", doubled("{% set a = (a + a)|list %}")), 2),
        (format!("{{% set a = 'abc' %}}{}", doubled("{% set a %}{{ a }}{{ a }}{% endset %}")), 2),
        (
            format!(
                "{{% macro m(x) %}}{{{{ x }}}}{{{{ x }}}}{{% endmacro %}}{{% set a = 'abc' %}}{}",
                doubled("{% set a = m(a) %}")
            ),
            2,
        ),
        ("{% set a = range(100000)|list %}{% for i in range(6000) %}{{ '' if 'x' in a }}{% endfor %}".to_owned(), 2),
    ]
}

#[test]
fn no_template_takes_the_machine() {
    for (template, code) in templates() {
        let folder = tempfile::tempdir().unwrap();
        let content = serde_json::Value::from(template.as_str());
        let spec = "name: plan\nlivedesk: { base_url: \"http://127.0.0.1:1\" }\nrecipients: list.csv\n\
                    to: { conversation_id: \"{{ id }}\" }\n";
        fs::write(folder.path().join("campaign.yaml"), format!("{spec}message: {{ content: {content} }}\n")).unwrap();
        fs::write(folder.path().join("list.csv"), "id,name\n101,Ada\n").unwrap();
        let begun = Instant::now();
        let mut process = command()
            .args(["check", "campaign.yaml"])
            .current_dir(&folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut peak = 0;
        let status = loop {
            peak = peak.max(peak_memory(process.id()).unwrap_or_default());
            match process.try_wait().unwrap() {
                Some(status) => break status,
                None if begun.elapsed() > MAX_TIME => {
                    process.kill().unwrap();
                    break process.wait().unwrap();
                }
                None => thread::sleep(Duration::from_millis(1)),
            }
        };
        let about: String = template.chars().take(100).collect();
        assert_eq!(status.code(), Some(code), "{about}");
        assert!(peak < MAX_MEMORY, "{about}: {peak} bytes");
    }
}

/// The most memory that a process has had so far, in bytes.
fn peak_memory(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().strip_suffix(" kB")?;
    kilobytes.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}
