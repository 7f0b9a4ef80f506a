/// A span of time in milliseconds; negative spans point into the past.
///
/// Public, as `Timestamp`, `Reading` and the numbers of things are: every room computes with them,
/// and the compiler inlines and specialises across modules only what is public. Of a `package`
/// type even `==` is a call through a witness table.
public struct Milliseconds: Hashable, Comparable, Sendable {
    /// The number of milliseconds.
    public var rawValue: Int64

    /// A span of so many milliseconds.
    public init(_ rawValue: Int64) {
        self.rawValue = rawValue
    }

    /// A span of whole seconds.
    public static func seconds(_ count: Int64) -> Milliseconds { Milliseconds(count * 1_000) }
    /// A span of whole minutes.
    public static func minutes(_ count: Int64) -> Milliseconds { Milliseconds(count * 60_000) }
    /// A span of whole hours.
    public static func hours(_ count: Int64) -> Milliseconds { Milliseconds(count * 3_600_000) }
    /// A span of whole days.
    public static func days(_ count: Int64) -> Milliseconds { Milliseconds(count * 86_400_000) }

    /// A span given in days with a fraction, clamped to ±1,000 years so that it always fits.
    public static func days(_ count: Double) -> Milliseconds {
        Milliseconds(Int64((min(max(count, -365_250), 365_250) * 86_400_000).rounded()))
    }

    /// The span in days, with a fraction.
    public var days: Double { Double(rawValue) / 86_400_000 }
    /// The span in hours, with a fraction.
    public var hours: Double { Double(rawValue) / 3_600_000 }
    /// The span in minutes, with a fraction.
    public var minutes: Double { Double(rawValue) / 60_000 }

    /// Whether the left span is the shorter one, or further into the past.
    public static func < (left: Milliseconds, right: Milliseconds) -> Bool {
        left.rawValue < right.rawValue
    }
}

/// An instant: milliseconds since 1970-01-01T00:00:00Z, without leap seconds.
///
/// Everything that decides takes one as an argument; no room of the pure ring reads a clock.
public struct Timestamp: Hashable, Comparable, Sendable, Codable {
    /// Milliseconds since 1970.
    public var milliseconds: Int64

    /// The instant so many milliseconds after the beginning of 1970.
    public init(milliseconds: Int64) {
        self.milliseconds = milliseconds
    }

    /// Before every reading: the value of "never yet".
    public static var distantPast: Timestamp { Timestamp(milliseconds: Int64.min / 4) }
    /// After every reading: the value of "not foreseen".
    public static var distantFuture: Timestamp { Timestamp(milliseconds: Int64.max / 4) }

    /// Days since the epoch with a fraction, the estimator's unit of time.
    public var days: Double { Double(milliseconds) / 86_400_000 }

    /// The instant so many days after the beginning of 1970.
    public init(days: Double) {
        self.milliseconds = Int64((days * 86_400_000).rounded())
    }

    /// Whether the left instant comes first.
    public static func < (left: Timestamp, right: Timestamp) -> Bool {
        left.milliseconds < right.milliseconds
    }

    /// The span from the right instant to the left one.
    public static func - (left: Timestamp, right: Timestamp) -> Milliseconds {
        Milliseconds(left.milliseconds - right.milliseconds)
    }

    /// The instant a span later.
    public static func + (left: Timestamp, right: Milliseconds) -> Timestamp {
        Timestamp(milliseconds: left.milliseconds + right.rawValue)
    }

    /// The instant a span earlier.
    public static func - (left: Timestamp, right: Milliseconds) -> Timestamp {
        Timestamp(milliseconds: left.milliseconds - right.rawValue)
    }
}

extension Timestamp: CustomStringConvertible {
    /// RFC 3339 in UTC; milliseconds are written only when there are any.
    public var description: String {
        var bytes: [UInt8] = []
        append(to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Appends the description, where many are written and a string for each would cost too much.
    package func append(to bytes: inout [UInt8]) {
        let day = milliseconds.dividedFloor(by: 86_400_000)
        let rest = UInt32(truncatingIfNeeded: milliseconds - day * 86_400_000)
        let date = CivilDate(daysSinceEpoch: day)
        let isFourDigits = (0...9_999).contains(date.year)
        if !isFourDigits { bytes.append(contentsOf: date.description.utf8) }
        bytes.append(addingCapacity: 24) { bytes in
            if isFourDigits {
                bytes.append(twoDigits: UInt32(date.year / 100))
                bytes.append(twoDigits: UInt32(date.year % 100))
                bytes.append(UInt8(ascii: "-"))
                bytes.append(twoDigits: UInt32(date.month))
                bytes.append(UInt8(ascii: "-"))
                bytes.append(twoDigits: UInt32(date.day))
            }
            bytes.append(UInt8(ascii: "T"))
            bytes.append(twoDigits: rest / 3_600_000)
            bytes.append(UInt8(ascii: ":"))
            bytes.append(twoDigits: rest / 60_000 % 60)
            bytes.append(UInt8(ascii: ":"))
            bytes.append(twoDigits: rest / 1_000 % 60)
            let fraction = rest % 1_000
            if fraction != 0 {
                bytes.append(UInt8(ascii: "."))
                bytes.append(UInt8(ascii: "0") + UInt8(fraction / 100))
                bytes.append(twoDigits: fraction % 100)
            }
            bytes.append(UInt8(ascii: "Z"))
        }
    }
}

extension OutputSpan<UInt8> {
    fileprivate mutating func append(twoDigits value: UInt32) {
        append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value / 10))
        append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value % 10))
    }
}

extension Int64 {
    /// Division that rounds towards negative infinity, so that days before 1970 come out right.
    public func dividedFloor(by divisor: Int64) -> Int64 {
        let quotient = self / divisor
        return self % divisor < 0 ? quotient - 1 : quotient
    }
}

/// A number in decimal with leading zeros.
public func padded(_ value: Int64, width: Int = 2) -> String {
    let digits = String(value)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
}
