//! Anything in `.campaign/` is damaged at random between two runs: nobody gets it twice, and the next run is either right or
//! ends with an error that says what to do. `DAMAGE_TRIALS` and `DAMAGE_SEED` are read from the environment.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]
#![expect(clippy::disallowed_methods, reason = "the number of trials is given by the environment")]
#![expect(clippy::print_stdout, reason = "a failure shows what was done")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::PathBuf;

use crate::harness::{Desk, Project, Random};

const PEOPLE: u64 = 40;
const FOLDER: &str = ".campaign";
const PAGE: u64 = 4096;

/// Words of which each refusal has one: what is wrong is not enough, somebody has to know what to do.
const ADVICE: [&str; 9] =
    ["remove it", "restore", "Restore", "move", "Move", "--first-run", "mounted", "keep the one", "must be writable"];

/// The files of the folder by name.
type Files = BTreeMap<String, Vec<u8>>;

fn files(project: &Project) -> Files {
    let entries = fs::read_dir(project.path(FOLDER)).into_iter().flatten();
    let file = |path: PathBuf| Some((path.file_name()?.to_str()?.to_owned(), fs::read(&path).ok()?));
    entries.filter_map(|entry| file(entry.unwrap().path())).collect()
}

/// One campaign: a few runs, some of them killed, then damage, then runs that must be right or refuse.
struct Trial<'r> {
    random: &'r mut Random,
    desk: Desk,
    project: Project,
    /// Copies of the folder, as they were between runs.
    copies: Vec<Files>,
    /// Whether the last run came to its end, so that there is a report of it.
    ended: bool,
    done: Vec<String>,
}

impl Trial<'_> {
    fn pick<T>(&mut self, from: &[T]) -> usize {
        usize::try_from(self.random.below(from.len() as u64)).unwrap()
    }

    /// A few runs of which each does some of the work.
    fn begin(&mut self) {
        for _ in 0..=self.random.below(3) {
            let some = 1 + self.random.below(12);
            self.ended = self.random.below(2) == 0;
            if self.ended {
                let ran = self.project.run(&["--limit", &some.to_string()]);
                assert!(matches!(ran.code, Some(0 | 4)), "{ran:?}");
            } else {
                let before = self.desk.messages().len();
                let mut run = self.project.start(&[]);
                while self.desk.messages().len() < before + usize::try_from(some).unwrap() && !run.has_ended() {}
                run.kill();
            }
            self.done.push(format!("{} {some}", if self.ended { "run" } else { "killed at" }));
            self.copies.push(files(&self.project));
            if !self.ended {
                // The next run finds claims without an outcome, which is no error.
                self.project.run(&["--limit", "1"]);
                self.ended = true;
                if self.random.below(2) == 0 {
                    let mut run = self.project.start(&[]);
                    let before = self.desk.messages().len();
                    while self.desk.messages().len() < before + 3 && !run.has_ended() {}
                    self.ended = !run.kill();
                    self.done.push("killed".to_owned());
                }
            }
        }
    }

    /// Does something to a file, or to the folder.
    fn damage(&mut self) {
        let now = files(&self.project);
        let names: Vec<&String> = now.keys().collect();
        let name = names[self.pick(&names)].clone();
        let path = self.project.path(FOLDER).join(&name);
        let length = now[&name].len() as u64;
        let at = if length > 0 { self.random.below(length) } else { 0 };
        let open = || File::options().write(true).open(&path).unwrap();
        let kind = self.random.below(14);
        self.done.push(format!("damage {kind} to {name} of {length} at {at}"));
        match kind {
            0..=2 => {
                for _ in 0..=self.random.below(3) {
                    let at = if length > 0 { self.random.below(length) } else { 0 };
                    let byte = now[&name].get(usize::try_from(at).unwrap()).copied().unwrap_or_default();
                    open().write_all_at(&[byte ^ (1 << self.random.below(8))], at).unwrap();
                }
            }
            3 | 4 => open().set_len(at).unwrap(),
            5 => fs::remove_file(path).unwrap(),
            6 => open().set_len(0).unwrap(),
            7 => open().write_all_at(&[0; 4096], at / PAGE * PAGE).unwrap(),
            8 => {
                let copy = self.pick(&self.copies.iter().map(|_| ()).collect::<Vec<_>>());
                match self.copies[copy].get(&name) {
                    Some(bytes) => fs::write(path, bytes).unwrap(),
                    None => fs::remove_file(path).unwrap(),
                }
            }
            9 => {
                // The ledger alone, as somebody copies it who does not know of the others.
                for other in now.keys().filter(|other| *other != "c.sqlite") {
                    fs::remove_file(self.project.path(FOLDER).join(other)).unwrap();
                }
            }
            10 => {
                fs::remove_file(&path).unwrap();
                symlink("/nonexistent/disk", path).unwrap();
            }
            11 => {
                // Behind a link all is as it was.
                fs::rename(&path, self.project.path("moved")).unwrap();
                symlink(self.project.path("moved"), path).unwrap();
            }
            12 => fs::set_permissions(path, Permissions::from_mode(0o000)).unwrap(),
            // Where no report tells of what is lost, nothing in the world does.
            _ if self.ended => {
                let copy = self.pick(&self.copies.iter().map(|_| ()).collect::<Vec<_>>());
                fs::remove_dir_all(self.project.path(FOLDER)).unwrap();
                if self.random.below(2) == 0 {
                    fs::create_dir(self.project.path(FOLDER)).unwrap();
                    for (name, bytes) in &self.copies[copy] {
                        fs::write(self.project.path(FOLDER).join(name), bytes).unwrap();
                    }
                }
            }
            _ => {}
        }
    }

    /// What is left of the work: right, or an error that helps.
    fn finish(&self) -> &'static str {
        let mut ends = "right";
        for _ in 0..2 {
            let ran = self.project.run(&[]);
            let addressed = self.desk.addressed();
            let different: BTreeSet<_> = addressed.iter().collect();
            assert_eq!(addressed.len(), different.len(), "twice, after {:?}: {}", self.done, ran.stderr);
            if ran.code == Some(1) {
                assert!(ADVICE.iter().any(|word| ran.stderr.contains(word)), "{:?}: {}", self.done, ran.stderr);
                ends = "refused";
            } else {
                assert!(matches!(ran.code, Some(0 | 4)), "{:?}: {ran:?}", self.done);
                let known = self.project.count("accepted") + self.project.count("unknown");
                assert_eq!(known as u64, PEOPLE, "somebody is lost, after {:?}: {}", self.done, ran.stderr);
            }
        }
        ends
    }
}

#[test]
fn whatever_is_damaged_nobody_gets_it_twice() {
    let trials = std::env::var("DAMAGE_TRIALS").map_or(40, |trials| trials.parse().unwrap());
    let mut random = Random::from_environment("DAMAGE_SEED");
    let mut ends = BTreeMap::new();
    for done in 1..=trials {
        let desk = Desk::friendly();
        let project = Project::at(&desk).people(PEOPLE).send("concurrency: 3");
        let mut trial =
            Trial { random: &mut random, desk, project, copies: Vec::new(), ended: false, done: Vec::new() };
        trial.begin();
        trial.damage();
        *ends.entry(trial.finish()).or_insert(0) += 1;
        if done % 50 == 0 || done == trials {
            println!("{done} trials: {ends:?}");
        }
    }
}
