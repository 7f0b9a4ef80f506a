/// Which (signal, time) a block may hold, and where: never wrong about "no" (a Bloom filter, and the
/// times of each stretch of the block).
///
/// Made when a vehicle's first late reading comes; vehicles that speak in order never pay for it.
struct RepeatFilter: Sendable {
    /// 16,384 bits and three places a reading, all of them within one line of eight words, because
    /// a filter is seldom in the cache: of the thousand that a block holds, one look in a hundred is
    /// in vain.
    private static let filterWords = 256
    /// Groups of a stretch: it is as soon looked through as the next stretch is told apart.
    private static let groupsPerStretch: UInt64 = 32
    private static let stretchWords = 4

    /// The filter, and behind it of each stretch: where it begins and, in the upper half, how many
    /// groups were added to it; the time before it; its least and its greatest time.
    ///
    /// One array for both, because a block, of which there are millions, has room for one.
    private var words = [UInt64](repeating: 0, count: filterWords)

    /// Notes a reading.
    /// - Returns: whether it may have been there before.
    mutating func insert(_ signal: UInt16, _ time: Int64) -> Bool {
        var hash = RepeatFilter.hash(signal, time)
        var words = words.mutableSpan
        let line = Int(hash & 31) << 3
        var mayBeHeld = true
        for _ in 0..<3 {
            hash >>= 9
            let place = line | Int(hash & 7)
            let bit = UInt64(1) << (hash >> 3 & 63)
            let word = words[place]
            mayBeHeld = mayBeHeld && word & bit != 0
            words[place] = word | bit
        }
        return mayBeHeld
    }

    // MARK: Stretches

    /// Notes that a group begins at an offset, behind one of the time `before`.
    mutating func addGroup(at offset: Int, after before: Int64, _ time: Int64) {
        let last = words.count - RepeatFilter.stretchWords
        guard last >= RepeatFilter.filterWords,
            words[last] >> 32 < RepeatFilter.groupsPerStretch
        else {
            let time = UInt64(bitPattern: time)
            words += [1 << 32 | UInt64(offset), UInt64(bitPattern: before), time, time]
            return
        }
        words[last] += 1 << 32
        words[last + 2] = UInt64(bitPattern: min(time, Int64(bitPattern: words[last + 2])))
        words[last + 3] = UInt64(bitPattern: max(time, Int64(bitPattern: words[last + 3])))
    }

    /// Forgets the groups from an offset on; the times of the stretch it lies in may stay too wide.
    mutating func removeGroups(from offset: Int) {
        while words.count > RepeatFilter.filterWords,
            words[words.count - RepeatFilter.stretchWords] & 0xffff_ffff >= UInt64(offset)
        {
            words.removeLast(RepeatFilter.stretchWords)
        }
    }

    /// The first stretch behind `previous` that may hold a time: its number, its place in the block,
    /// which goes on to the next stretch's or is open, and the time before it.
    func stretch(
        with time: Int64,
        after previous: Int
    ) -> (number: Int, start: Int, end: Int?, before: Int64)? {
        var number = previous + 1
        while true {
            let place = RepeatFilter.filterWords + number * RepeatFilter.stretchWords
            guard place < words.count else { return nil }
            if Int64(bitPattern: words[place + 2]) <= time,
                time <= Int64(bitPattern: words[place + 3])
            {
                let next = place + RepeatFilter.stretchWords
                return (
                    number, Int(words[place] & 0xffff_ffff),
                    next < words.count ? Int(words[next] & 0xffff_ffff) : nil,
                    Int64(bitPattern: words[place + 1])
                )
            }
            number += 1
        }
    }

    private static func hash(_ signal: UInt16, _ time: Int64) -> UInt64 {
        var hash = UInt64(bitPattern: time) &* 0x9e37_79b9_7f4a_7c15 ^ UInt64(signal) &* 0xbf58_476d
        hash = (hash ^ (hash >> 29)) &* 0x94d0_49bb_1331_11eb
        return hash ^ (hash >> 32)
    }
}
