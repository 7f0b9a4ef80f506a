/// Eight characters of which some are digits, looked at all at once.
///
/// The arithmetic on eight bytes in one word is D. Lemire's, "Number parsing at a gigabyte per
/// second", 2021: the first character is in the lowest byte.
struct DigitBlock {
    /// What each digit stands for; ten and more where there is no digit.
    private let values: UInt64
    /// The highest bit of every byte that is no digit.
    private let others: UInt64

    @inline(__always)
    init(_ word: UInt64) {
        values = word ^ 0x3030_3030_3030_3030
        let isTenOrMore = (values & 0x7f7f_7f7f_7f7f_7f7f) &+ 0x7676_7676_7676_7676
        others = (isTenOrMore | values) & 0x8080_8080_8080_8080
    }

    /// How many characters before the first that is no digit: 8 when all are digits.
    var digits: Int {
        @inline(__always) get { others.trailingZeroBitCount &>> 3 }
    }

    /// Where the second character that is no digit stands: 8 when there is at most one.
    var secondOther: Int {
        @inline(__always) get { (others & (others &- 1)).trailingZeroBitCount &>> 3 }
    }

    var startsWithZero: Bool {
        @inline(__always) get { values & 0xff == 0 }
    }

    /// - Precondition: `place < 8`.
    @inline(__always)
    func character(at place: Int) -> UInt8 {
        UInt8(truncatingIfNeeded: values &>> UInt64(truncatingIfNeeded: 8 &* place)) ^ 0x30
    }

    /// The number that the first `count` characters write, all of them digits.
    /// - Precondition: `1 <= count && count <= 8`.
    @inline(__always)
    func value(of count: Int) -> UInt64 {
        DigitBlock.value(of: values, count)
    }

    /// The number that the first `count` characters write, all but the point at `place` digits.
    /// - Precondition: `place < count && 2 <= count && count <= 8`.
    @inline(__always)
    func value(of count: Int, withoutPointAt place: Int) -> UInt64 {
        let before = (1 as UInt64) &<< UInt64(truncatingIfNeeded: 8 &* place) &- 1
        let joined = (values & before) | ((values &>> 8) & ~before)
        return DigitBlock.value(of: joined, count &- 1)
    }

    /// Digits in the first `count` bytes → the number: moved to the end, so that zeros stand
    /// before them, then summed by twos, fours and eights.
    @inline(__always)
    private static func value(of digits: UInt64, _ count: Int) -> UInt64 {
        let moved = digits &<< UInt64(truncatingIfNeeded: 64 &- 8 &* count)
        let pairs = (moved &* 10) &+ (moved &>> 8)
        let firstAndThird = (pairs & 0x0000_00ff_0000_00ff) &* 0x000f_4240_0000_0064
        let secondAndFourth = ((pairs &>> 16) & 0x0000_00ff_0000_00ff) &* 0x0000_2710_0000_0001
        return (firstAndThird &+ secondAndFourth) &>> 32
    }
}
