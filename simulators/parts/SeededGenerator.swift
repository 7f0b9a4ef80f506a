/// SplitMix64 (Steele, Lea and Flood, 2014): small, fast, and the same everywhere.
package struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    package init(seed: UInt64) {
        state = seed
    }

    package mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    package mutating func uniform(_ range: ClosedRange<Double>) -> Double {
        Double.random(in: range, using: &self)
    }

    package mutating func happens(_ probability: Double) -> Bool {
        uniform(0...1) < probability
    }

    /// Roughly normal: the sum of four uniforms, scaled to `deviation`.
    package mutating func noise(_ deviation: Double) -> Double {
        var sum = 0.0
        for _ in 0..<4 { sum += uniform(-1...1) }
        return sum * deviation * 0.866
    }
}
