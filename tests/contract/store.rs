//! `longshore-store(5)` and `lib/store/src/layout.rs` are one document in two forms.

use std::collections::BTreeSet;

use store::layout::{Area, ENTRIES};
use tests::man::Page;

#[test]
fn the_layout_in_code_is_the_layout_in_its_page() {
    let page = Page::open("longshore-store.5");
    for (area, section) in [(Area::Root, "DURABLE TREE"), (Area::Run, "VOLATILE TREE")] {
        let in_code: BTreeSet<_> =
            ENTRIES.iter().filter(|e| e.area == area).map(|e| e.pattern.to_owned()).collect();
        let in_page: BTreeSet<_> = page.headings(section).into_iter().collect();
        let undocumented: Vec<_> = in_code.difference(&in_page).collect();
        let invented: Vec<_> = in_page.difference(&in_code).collect();
        assert!(
            undocumented.is_empty() && invented.is_empty(),
            "longshore-store(5), {section}: not in the page: {undocumented:?}; not in layout.rs: {invented:?}"
        );
    }
}
