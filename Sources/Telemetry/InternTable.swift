/// Names as bytes → dense numbers, in order of first sight.
///
/// Open addressing over one byte arena: a look-up costs one hash and, nearly always, one compare,
/// and allocates nothing. Numbers never change and names never leave.
package struct InternTable: Sendable {
    private var arena: [UInt8] = []
    private var starts: [Int] = [0]
    private var slots: [UInt64]

    package init() {
        slots = [UInt64](repeating: 0, count: 64)
    }

    package var count: Int { starts.count - 1 }

    package func name(_ index: Int) -> String {
        String(decoding: arena[starts[index]..<starts[index + 1]], as: UTF8.self)
    }

    package func find(_ name: Span<UInt8>) -> Int? {
        find(name, hash: InternTable.hash(name))
    }

    /// The number of `name`, which is entered when it is new.
    package mutating func intern(_ name: Span<UInt8>) -> Int {
        let hash = InternTable.hash(name)
        if let found = find(name, hash: hash) { return found }
        let index = count
        for position in name.indices { arena.append(name[position]) }
        starts.append(arena.count)
        if 2 * (index + 1) > slots.count { grow() } else { place(hash: hash, index: index) }
        return index
    }

    private func find(_ name: Span<UInt8>, hash: UInt32) -> Int? {
        let mask = slots.count - 1
        var slot = Int(hash) & mask
        while slots[slot] != 0 {
            let entry = slots[slot]
            if UInt32(truncatingIfNeeded: entry >> 32) == hash {
                let index = Int(entry & 0xffff_ffff) - 1
                if equals(name, index: index) { return index }
            }
            slot = (slot + 1) & mask
        }
        return nil
    }

    private func equals(_ name: Span<UInt8>, index: Int) -> Bool {
        let start = starts[index]
        guard starts[index + 1] - start == name.count else { return false }
        let known = arena.span.extracting(start..<(start + name.count))
        var place = 0
        while let word = name.word(at: place) {
            guard known.word(at: place) == word else { return false }
            place &+= 8
        }
        while place < name.count {
            guard known[place] == name[place] else { return false }
            place &+= 1
        }
        return true
    }

    private mutating func place(hash: UInt32, index: Int) {
        let mask = slots.count - 1
        var slot = Int(hash) & mask
        while slots[slot] != 0 { slot = (slot + 1) & mask }
        slots[slot] = UInt64(hash) << 32 | UInt64(index + 1)
    }

    private mutating func grow() {
        slots = [UInt64](repeating: 0, count: slots.count * 2)
        for index in 0..<count {
            let bytes = arena[starts[index]..<starts[index + 1]]
            place(hash: InternTable.hash(bytes.span), index: index)
        }
    }

    /// Eight bytes a step, each multiplied through the word (the constant is 2^64 ÷ golden ratio),
    /// folded at the end so that the low bits depend on every byte.
    private static func hash(_ name: Span<UInt8>) -> UInt32 {
        var hash = UInt64(name.count)
        var place = 0
        while let word = name.word(at: place) {
            hash = mixed(hash, word)
            place &+= 8
        }
        var rest: UInt64 = 0
        while place < name.count {
            rest = rest << 8 | UInt64(name[place])
            place &+= 1
        }
        hash = mixed(hash, rest)
        return UInt32(truncatingIfNeeded: hash ^ (hash >> 32))
    }

    private static func mixed(_ hash: UInt64, _ word: UInt64) -> UInt64 {
        let product = (hash ^ word) &* 0x9e37_79b9_7f4a_7c15
        return product ^ (product >> 29)
    }
}
