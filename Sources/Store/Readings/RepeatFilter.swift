/// Which (signal, time) a block may hold: never wrong about "no" (a Bloom filter).
///
/// Made when a vehicle's first late reading comes; vehicles that speak in order never pay for it.
struct RepeatFilter: Sendable {
    /// 16,384 bits and three places a reading: of the thousand a block holds, one look in two
    /// hundred is in vain.
    private var words = [UInt64](repeating: 0, count: 256)

    /// Notes a reading.
    /// - Returns: whether it may have been there before.
    mutating func insert(_ signal: UInt16, _ time: Int64) -> Bool {
        var hash = RepeatFilter.hash(signal, time)
        var words = words.mutableSpan
        var mayBeHeld = true
        for _ in 0..<3 {
            let place = Int(hash >> 6 & 255)
            let bit = UInt64(1) << (hash & 63)
            let word = words[place]
            mayBeHeld = mayBeHeld && word & bit != 0
            words[place] = word | bit
            hash >>= 16
        }
        return mayBeHeld
    }

    private static func hash(_ signal: UInt16, _ time: Int64) -> UInt64 {
        var hash = UInt64(bitPattern: time) &* 0x9e37_79b9_7f4a_7c15 ^ UInt64(signal) &* 0xbf58_476d
        hash = (hash ^ (hash >> 29)) &* 0x94d0_49bb_1331_11eb
        return hash ^ (hash >> 32)
    }
}
