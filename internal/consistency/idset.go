package consistency

import (
	"iter"
	"maps"
	"math/bits"
	"slices"
)

// idSet is a set of ids of jobs. Ids that are near each other, as those of rows are, take
// a bit each, and come one after the other.
type idSet struct {
	pages map[int64]*idPage
	at    int64 // the page that was met last
	page  *idPage
}

// idPage holds 512 ids, so that ids without any order take no more than other sets would.
type idPage [8]uint64

// place finds the bit of an id; page is nil where there is none yet.
func (s *idSet) place(id int64) (page *idPage, word, bit uint64) {
	if at := id >> 9; s.page == nil || s.at != at {
		s.at, s.page = at, s.pages[at]
	}
	return s.page, uint64(id) >> 6 & 7, 1 << (uint64(id) & 63)
}

// add says whether the id was not there.
func (s *idSet) add(id int64) bool {
	page, word, bit := s.place(id)
	if page == nil {
		if s.pages == nil {
			s.pages = make(map[int64]*idPage)
		}
		page = new(idPage)
		s.page, s.pages[s.at] = page, page
	}
	had := page[word] & bit
	page[word] |= bit
	return had == 0
}

// without yields, in their order, the ids that are not in other.
func (s *idSet) without(other *idSet) iter.Seq[int64] {
	return func(yield func(int64) bool) {
		for _, at := range slices.Sorted(maps.Keys(s.pages)) {
			for i, word := range s.pages[at] {
				if p := other.pages[at]; p != nil {
					word &^= p[i]
				}
				for ; word != 0; word &= word - 1 {
					if !yield(at<<9 | int64(i)<<6 | int64(bits.TrailingZeros64(word))) {
						return
					}
				}
			}
		}
	}
}
