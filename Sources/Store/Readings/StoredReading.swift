package import Telemetry

/// A reading as the store keeps it: the vehicle is known from where it stands.
///
/// The time of arrival is not kept: it is the journal's, and of use only until the readings are
/// sealed.
package struct StoredReading: Sendable, Equatable {
    package var observedAt: Timestamp
    package var value: Double
    /// The store's own number of the signal.
    package var signal: UInt16
    package var quality: Quality

    package init(observedAt: Timestamp, value: Double, signal: UInt16, quality: Quality) {
        self.observedAt = observedAt
        self.value = value
        self.signal = signal
        self.quality = quality
    }
}

extension StoredReading {
    /// By time, then signal.
    func isBefore(_ other: StoredReading) -> Bool {
        observedAt == other.observedAt ? signal < other.signal : observedAt < other.observedAt
    }
}

/// One reading in a journal: signal, quality and value in about four bytes.
enum ItemCoding {
    /// Codes up to `ScaledDecimal.scaleMax` are scales.
    private static let double: UInt64 = 15

    static func encode(
        signal: UInt16,
        quality: Quality,
        value: Double,
        into bytes: inout [UInt8]
    ) {
        let head = UInt64(signal) << 5 | (quality == .noReading ? 16 : 0)
        bytes.append(numbers: 2) { bytes in
            for scale in 0...ScaledDecimal.scaleMax {
                guard let mantissa = ScaledDecimal.mantissa(value, scale: scale) else { continue }
                bytes.append(varint: head | UInt64(scale))
                bytes.append(signed: mantissa)
                return
            }
            bytes.append(varint: head | double)
            bytes.append(word: value.bitPattern)
        }
    }

    static func decode(
        _ cursor: inout ByteCursor,
        at observedAt: Timestamp
    ) throws(CheckpointError) -> StoredReading {
        let head = try cursor.varint()
        let value: Double
        if head & 15 == double {
            value = Double(bitPattern: try cursor.word())
        } else {
            guard head & 15 <= UInt64(ScaledDecimal.scaleMax) else { throw cursor.failure() }
            value = ScaledDecimal.value(try cursor.signed(), scale: Int(head & 15))
        }
        return StoredReading(
            observedAt: observedAt,
            value: value,
            signal: UInt16(truncatingIfNeeded: head >> 5),
            quality: head & 16 == 0 ? .good : .noReading
        )
    }
}
