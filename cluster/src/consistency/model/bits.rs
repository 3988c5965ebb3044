//! States as 128 bits: one walk over the fields serves packing and unpacking, so that the two can
//! never disagree.
//!
//! Must never lose a bit: a value wider than its field would merge different states, and a model
//! that merges states proves nothing.

/// Walks over the fields of a state, writing or reading each.
pub(super) struct Bits {
    word: u128,
    used: u32,
    reading: bool,
}

/// A state that lists its fields.
pub(super) trait Packed: Copy + Default {
    /// Shows every field, always in the same order.
    fn fields(&mut self, bits: &mut Bits);

    /// The state, packed.
    fn pack(mut self) -> u128 {
        let mut bits = Bits { word: 0, used: 0, reading: false };
        self.fields(&mut bits);
        bits.word
    }

    /// The state, unpacked.
    fn unpack(word: u128) -> Self {
        let mut state = Self::default();
        state.fields(&mut Bits { word, used: 0, reading: true });
        state
    }
}

impl Bits {
    /// A number below 2 to the power of `width`.
    pub(super) fn number(&mut self, value: &mut u8, width: u32) {
        let mask = (1_u128 << width) - 1;
        if self.reading {
            let taken = (self.word >> self.used) & mask;
            *value = u8::try_from(taken).expect("fields are at most eight bits");
        } else {
            assert!(u128::from(*value) <= mask, "{value} does not fit into {width} bits");
            self.word |= u128::from(*value) << self.used;
        }
        self.used += width;
        assert!(self.used <= u128::BITS, "the state is wider than a word");
    }

    /// Yes or no.
    pub(super) fn flag(&mut self, value: &mut bool) {
        let mut number = u8::from(*value);
        self.number(&mut number, 1);
        *value = number == 1;
    }

    /// One of a closed list.
    pub(super) fn choice<T: Copy + PartialEq>(&mut self, value: &mut T, all: &[T]) {
        let width = usize::BITS - (all.len() - 1).leading_zeros();
        let place = all.iter().position(|one| one == value).expect("the list is closed");
        let mut number = u8::try_from(place).expect("short lists");
        self.number(&mut number, width);
        *value = all[usize::from(number)];
    }
}

#[test]
fn what_was_packed_unpacks() {
    #[derive(Clone, Copy, Default, Debug, PartialEq)]
    struct Three(u8, bool, u8);
    impl Packed for Three {
        fn fields(&mut self, bits: &mut Bits) {
            bits.number(&mut self.0, 3);
            bits.flag(&mut self.1);
            bits.number(&mut self.2, 8);
        }
    }
    let state = Three(5, true, 255);
    assert_eq!(Three::unpack(state.pack()), state);
}
