//! Every order in which things can happen in a small world: a search of all its states.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ossup_core::upload::Goal;

use crate::world::{Action, Finished, Setting, World, describe};
use crate::worlds::Named;

/// What a search has found.
#[derive(Debug, Default)]
pub struct Found {
    /// Different states.
    pub states: usize,
    /// Steps between them.
    pub edges: usize,
    /// Steps of the longest path that was followed.
    pub depth: usize,
    /// How runs ended, and how often.
    pub ends: BTreeMap<Finished, usize>,
    /// Which goal followed which.
    pub goals: BTreeSet<(Goal, Goal)>,
    /// How long it took.
    pub time: Duration,
    /// What must not happen and did, with the steps that lead there.
    pub violation: Option<Violation>,
}

/// What must not happen and did.
#[derive(Debug)]
pub struct Violation {
    /// What.
    pub what: String,
    /// The steps that lead there from the beginning.
    pub trace: Vec<String>,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.what)?;
        for (n, step) in self.trace.iter().enumerate() {
            writeln!(f, "{:4}. {step}", n + 1)?;
        }
        Ok(())
    }
}

/// Searches all states of a world breadth first, so that a violation is found by its shortest trace; then looks for
/// cycles, in which the machine would be busy for ever.
#[must_use]
pub fn explore(setting: &Setting, limit: usize) -> Found {
    explore_some(setting, limit, false)
}

fn explore_some(setting: &Setting, limit: usize, in_part: bool) -> Found {
    let start = Instant::now();
    let mut found = Found::default();
    let first = World::new(setting);
    // Every state by its number: how it was reached, and where it leads to.
    let mut numbers: HashMap<u64, usize> = HashMap::from([(first.fingerprint(), 0)]);
    let mut parents: Vec<Option<(usize, Action)>> = vec![None];
    let mut depths = vec![0_usize];
    let mut next: Vec<Vec<usize>> = vec![Vec::new()];
    let mut queue = std::collections::VecDeque::from([(0_usize, first)]);
    while let Some((number, world)) = queue.pop_front() {
        let actions = world.actions();
        if world.is_stuck() {
            let what = format!("stuck at {:?}: nothing is under way, and nothing is asked for", world.goal());
            found.violation = Some(Violation { what, trace: trace(setting, &parents, number, None) });
            break;
        }
        let goal = world.goal();
        for action in actions {
            let mut after = world.clone();
            if let Err(what) = after.take(setting, action) {
                found.violation =
                    Some(Violation { what, trace: trace(setting, &parents, number, Some(action)) });
                break;
            }
            found.edges += 1;
            if let (Some(end), None) = (&after.finished, &world.finished) {
                *found.ends.entry(end.clone()).or_default() += 1;
            } else if after.finished.is_none()
                && !matches!(
                    action,
                    Action::Crash | Action::CrashWriting(_) | Action::PowerCut | Action::Rerun
                )
            {
                found.goals.insert((goal, after.goal()));
            }
            let count = numbers.len();
            let to = *numbers.entry(after.fingerprint()).or_insert(count);
            next[number].push(to);
            if to == count {
                parents.push(Some((number, action)));
                depths.push(depths[number] + 1);
                next.push(Vec::new());
                queue.push_back((to, after));
            }
        }
        if found.violation.is_some() || numbers.len() > limit {
            break;
        }
    }
    found.states = numbers.len();
    found.depth = depths.iter().copied().max().unwrap_or(0);
    if found.violation.is_none() && found.states > limit && !in_part {
        // The deepest path shows what goes on and on.
        let deepest = (0..depths.len()).max_by_key(|number| depths[*number]).unwrap_or(0);
        let what = format!("more than {limit} states");
        found.violation = Some(Violation { what, trace: trace(setting, &parents, deepest, None) });
    }
    if let (None, Some(states)) = (&found.violation, cycle(&next)) {
        let first = states.first().copied().unwrap_or(0);
        let what = format!("a cycle of the last {} steps: the machine is busy for ever", states.len());
        let mut steps = trace(setting, &parents, first, None);
        steps.extend(round(setting, &parents, &numbers, &states));
        found.violation = Some(Violation { what, trace: steps });
    }
    found.time = start.elapsed();
    found
}

/// Searches worlds side by side. What was found, in their order.
#[must_use]
pub fn search(worlds: &[Named], limit: usize) -> Vec<(String, Found)> {
    let mut all = Vec::new();
    search_each(worlds, limit, false, |name, found| all.push((name.to_owned(), found)));
    all
}

/// Searches worlds side by side, and tells of each in their order as soon as that is possible. With `in_part`, one with more
/// states than the limit is searched so far, and that is no violation.
pub fn search_each(worlds: &[Named], limit: usize, in_part: bool, mut tell: impl FnMut(&str, Found)) {
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let next = AtomicUsize::new(0);
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let sender = sender.clone();
            let next = &next;
            scope.spawn(move || {
                while let Some((at, (_, setting))) = next_of(next, worlds) {
                    if sender.send((at, explore_some(setting, limit, in_part))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let (mut waiting, mut told) = (BTreeMap::new(), 0);
        for (at, found) in receiver {
            waiting.insert(at, found);
            while let Some(found) = waiting.remove(&told) {
                tell(worlds.get(told).map_or("", |(name, _)| name.as_str()), found);
                told += 1;
            }
        }
    });
}

fn next_of<'a>(next: &AtomicUsize, worlds: &'a [Named]) -> Option<(usize, &'a Named)> {
    let at = next.fetch_add(1, Ordering::Relaxed);
    Some((at, worlds.get(at)?))
}

/// States that lead one to the next and the last back to the first, if there are any.
fn cycle(next: &[Vec<usize>]) -> Option<Vec<usize>> {
    let mut done = HashSet::new();
    let mut open = HashSet::new();
    let mut stack = vec![(0_usize, 0_usize)];
    open.insert(0);
    while let Some((number, at)) = stack.last_mut() {
        if let Some(to) = next[*number].get(*at) {
            *at += 1;
            if open.contains(to) {
                let to = *to;
                return Some(
                    stack.iter().map(|(number, _)| *number).skip_while(|number| *number != to).collect(),
                );
            }
            if !done.contains(to) {
                open.insert(*to);
                stack.push((*to, 0));
            }
        } else {
            open.remove(number);
            done.insert(*number);
            stack.pop();
        }
    }
    None
}

/// The steps of a cycle.
fn round(
    setting: &Setting,
    parents: &[Option<(usize, Action)>],
    numbers: &HashMap<u64, usize>,
    states: &[usize],
) -> Vec<String> {
    let Some(first) = states.first() else { return Vec::new() };
    let mut world = World::new(setting);
    for action in path(parents, *first) {
        // It was taken once.
        let _ = world.take(setting, action);
    }
    let mut steps = Vec::new();
    for to in states.iter().skip(1).chain([first]) {
        let leads = |action: &Action| {
            let mut after = world.clone();
            after.take(setting, *action).is_ok() && numbers.get(&after.fingerprint()) == Some(to)
        };
        let Some(action) = world.actions().into_iter().find(leads) else { break };
        steps.push(describe(&world, action));
        let _ = world.take(setting, action);
    }
    steps
}

/// What leads from the beginning to a state.
fn path(parents: &[Option<(usize, Action)>], number: usize) -> Vec<Action> {
    let mut actions = Vec::new();
    let mut at = number;
    while let Some((from, action)) = parents[at] {
        actions.push(action);
        at = from;
    }
    actions.reverse();
    actions
}

/// The steps from the beginning to a state, and one more.
fn trace(
    setting: &Setting,
    parents: &[Option<(usize, Action)>],
    number: usize,
    last: Option<Action>,
) -> Vec<String> {
    let mut actions = path(parents, number);
    actions.extend(last);
    let mut world = World::new(setting);
    let mut steps = Vec::new();
    for action in actions {
        steps.push(describe(&world, action));
        if world.take(setting, action).is_err() {
            break;
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::cycle;

    #[test]
    fn a_cycle_is_found_with_all_its_states_and_no_others() {
        assert_eq!(cycle(&[vec![1], vec![2], vec![]]), None);
        assert_eq!(cycle(&[vec![1], vec![2, 3], vec![], vec![4], vec![1]]), Some(vec![1, 3, 4]));
        assert_eq!(cycle(&[vec![0]]), Some(vec![0]));
    }
}
