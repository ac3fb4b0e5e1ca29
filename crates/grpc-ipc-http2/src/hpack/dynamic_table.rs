//! The dynamic table ([RFC 7541 section 2.3.2](https://www.rfc-editor.org/rfc/rfc7541#section-2.3.2)), for any
//! representation of an entry.

use std::collections::VecDeque;

/// Entries, the newest first. The sum of their sizes never exceeds a limit.
pub(super) struct DynamicTable<T> {
    entries: VecDeque<Slot<T>>,
    size: usize,
    max_size: usize,
    generation: u64,
}

/// An entry and its size.
struct Slot<T> {
    entry: T,
    size: usize,
}

impl<T> DynamicTable<T> {
    pub(super) fn new(max_size: usize) -> Self {
        Self { entries: VecDeque::new(), size: 0, max_size, generation: 0 }
    }

    /// The limit of the total size, in octets.
    pub(super) fn max_size(&self) -> usize {
        self.max_size
    }

    /// Changes whenever the entries or the limit do.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// The entry with this many newer ones.
    pub(super) fn get(&self, position: usize) -> Option<&T> {
        self.entries.get(position).map(|slot| &slot.entry)
    }

    /// The entries, the newest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().map(|slot| &slot.entry)
    }

    /// Adds an entry, after evicting older entries to make room. An entry that exceeds the limit leaves the table
    /// empty, which is not an error (RFC 7541 section 4.4).
    pub(super) fn insert(&mut self, entry: T, size: usize) {
        self.generation += 1;
        self.evict_to(self.max_size.saturating_sub(size));
        if size <= self.max_size {
            self.size += size;
            self.entries.push_front(Slot { entry, size });
        }
    }

    /// Changes the limit, and evicts entries that exceed it (RFC 7541 section 4.3).
    pub(super) fn set_max_size(&mut self, max_size: usize) {
        if max_size == self.max_size {
            return;
        }
        self.generation += 1;
        self.max_size = max_size;
        self.evict_to(max_size);
    }

    /// # Panics
    /// If the entries exceed the limit.
    #[cfg(any(test, fuzzing))]
    pub(super) fn check_invariants(&self) {
        assert_eq!(self.size, self.entries.iter().map(|slot| slot.size).sum(), "the sizes of the entries");
        assert!(self.size <= self.max_size, "{} octets in a table of {}", self.size, self.max_size);
    }

    fn evict_to(&mut self, size: usize) {
        while self.size > size
            && let Some(oldest) = self.entries.pop_back()
        {
            self.size -= oldest.size;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::DynamicTable;

    fn entries(table: &DynamicTable<char>) -> String {
        table.iter().collect()
    }

    /// A table of 100 octets with two entries of 40.
    fn two_of_forty() -> DynamicTable<char> {
        let mut table = DynamicTable::new(100);
        table.insert('a', 40);
        table.insert('b', 40);
        table
    }

    #[test]
    fn section_2_3_2_the_newest_entry_comes_first() {
        let table = two_of_forty();
        assert_eq!(entries(&table), "ba");
        assert_eq!(table.get(0), Some(&'b'));
        assert_eq!(table.get(1), Some(&'a'));
        assert_eq!(table.get(2), None);
        assert_eq!(table.size, 80);
    }

    #[test]
    fn section_4_3_a_lower_limit_evicts_the_oldest() {
        let mut table = two_of_forty();
        table.set_max_size(80);
        assert_eq!(entries(&table), "ba");
        table.set_max_size(79);
        assert_eq!(entries(&table), "b");
        table.set_max_size(0);
        assert_eq!(entries(&table), "");
        assert_eq!(table.size, 0);
    }

    #[test]
    fn section_4_4_an_entry_evicts_until_it_fits() {
        let mut table = two_of_forty();
        table.insert('c', 20);
        assert_eq!(entries(&table), "cba");
        table.insert('d', 41);
        assert_eq!(entries(&table), "dc");
        assert_eq!(table.size, 61);
        table.insert('e', 100);
        assert_eq!(entries(&table), "e");
        assert_eq!(table.size, 100);
    }

    #[test]
    fn section_4_4_an_entry_larger_than_the_table_empties_it() {
        let mut table = two_of_forty();
        table.insert('c', 101);
        assert_eq!(entries(&table), "");
        assert_eq!(table.size, 0);
    }

    #[test]
    fn the_generation_changes_with_the_table() {
        let mut table = two_of_forty();
        let mut seen = vec![table.generation()];
        table.insert('c', 20);
        seen.push(table.generation());
        table.set_max_size(50);
        seen.push(table.generation());
        table.set_max_size(100);
        seen.push(table.generation());
        table.insert('d', 101);
        seen.push(table.generation());
        assert!(seen.is_sorted_by(|a, b| a < b), "{seen:?}");
        table.set_max_size(100);
        assert_eq!(seen.last(), Some(&table.generation()), "nothing changed");
    }
}
