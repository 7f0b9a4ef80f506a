/// Writes a checkpoint: little-endian, fields in a fixed order, no padding.
package struct ByteWriter: Sendable {
    package private(set) var bytes: [UInt8] = []

    package init() {}

    package mutating func put(_ value: UInt8) { bytes.append(value) }

    package mutating func put(_ value: UInt64) {
        bytes.append(addingCapacity: 8) { bytes in
            for shift in stride(from: UInt64(0), to: 64, by: 8) {
                bytes.append(UInt8(truncatingIfNeeded: value >> shift))
            }
        }
    }

    package mutating func put(_ value: UInt32) {
        bytes.append(addingCapacity: 4) { bytes in
            for shift in stride(from: UInt32(0), to: 32, by: 8) {
                bytes.append(UInt8(truncatingIfNeeded: value >> shift))
            }
        }
    }

    package mutating func put(_ value: Float) { put(value.bitPattern) }
    package mutating func put(_ value: Int64) { put(UInt64(bitPattern: value)) }
    package mutating func put(_ value: Int) { put(Int64(value)) }
    package mutating func put(_ value: Double) { put(value.bitPattern) }
    package mutating func put(_ value: Timestamp) { put(value.milliseconds) }
    package mutating func put(_ value: Bool) { put(UInt8(value ? 1 : 0)) }

    package mutating func put(_ value: Double?) {
        put(value != nil)
        if let value { put(value) }
    }

    package mutating func put(_ value: Timestamp?) {
        put(value != nil)
        if let value { put(value) }
    }

    package mutating func put(_ value: [UInt8]) {
        put(value.count)
        bytes.append(contentsOf: value)
    }
}

/// A checkpoint that does not read: cut short, or of another version.
package struct CheckpointError: Error, Sendable, Equatable {
    package var byteOffset: Int

    package init(byteOffset: Int) {
        self.byteOffset = byteOffset
    }
}

/// Reads what `ByteWriter` wrote.
package struct ByteReader: Sendable {
    private let bytes: [UInt8]
    private var position = 0

    package init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    package var isAtEnd: Bool { position == bytes.count }

    package mutating func byte() throws(CheckpointError) -> UInt8 {
        guard position < bytes.count else { throw failure() }
        position += 1
        return bytes[position - 1]
    }

    package mutating func unsigned() throws(CheckpointError) -> UInt64 {
        guard let value = bytes.span.word(at: position) else { throw failure() }
        position += 8
        return value
    }

    package mutating func word() throws(CheckpointError) -> UInt32 {
        guard bytes.count - position >= 4 else { throw failure() }
        defer { position += 4 }
        return UInt32(bytes[position]) | UInt32(bytes[position + 1]) << 8
            | UInt32(bytes[position + 2]) << 16 | UInt32(bytes[position + 3]) << 24
    }

    package mutating func float() throws(CheckpointError) -> Float {
        Float(bitPattern: try word())
    }

    package mutating func integer() throws(CheckpointError) -> Int64 {
        Int64(bitPattern: try unsigned())
    }

    /// A number of things that follow; bounded by the bytes that are left, so that a damaged
    /// checkpoint cannot ask for memory.
    package mutating func count() throws(CheckpointError) -> Int {
        let value = try integer()
        guard value >= 0, value <= Int64(bytes.count - position) else { throw failure() }
        return Int(value)
    }

    package mutating func double() throws(CheckpointError) -> Double {
        Double(bitPattern: try unsigned())
    }

    package mutating func timestamp() throws(CheckpointError) -> Timestamp {
        Timestamp(milliseconds: try integer())
    }

    package mutating func flag() throws(CheckpointError) -> Bool { try byte() != 0 }

    package mutating func optionalDouble() throws(CheckpointError) -> Double? {
        try flag() ? try double() : nil
    }

    package mutating func optionalTimestamp() throws(CheckpointError) -> Timestamp? {
        try flag() ? try timestamp() : nil
    }

    package mutating func data() throws(CheckpointError) -> [UInt8] {
        let length = try count()
        position += length
        return Array(bytes[(position - length)..<position])
    }

    package func failure() -> CheckpointError { CheckpointError(byteOffset: position) }
}
