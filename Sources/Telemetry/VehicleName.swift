/// What names a vehicle: everywhere the same, as a topic level, in a path and in a file.
public enum VehicleName {
    /// Whether bytes are a name: 1 to `Limits.vehicleNameBytesMax` of them, and none of MQTT's
    /// wildcards (`+ #`), no `/`, no leading `$`, no control character, no space at an end, and
    /// not `.` or `..`, which a path would lose.
    public static func isValid(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Bool {
        guard !range.isEmpty, range.count <= Limits.vehicleNameBytesMax,
            bytes[range.lowerBound] != UInt8(ascii: "$"), bytes[range.lowerBound] != 0x20,
            bytes[range.upperBound - 1] != 0x20
        else { return false }
        var dots = 0
        for index in range {
            switch bytes[index] {
            case 0..<0x20, 0x7f, UInt8(ascii: "+"), UInt8(ascii: "#"), UInt8(ascii: "/"):
                return false
            case UInt8(ascii: "."): dots += 1
            default: break
            }
        }
        return dots < range.count || dots > 2
    }

    /// The same of a text.
    public static func isValid(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        return isValid(bytes.span, bytes.indices)
    }

    /// The rule in words, for a refusal.
    public static let rule =
        "1 to \(Limits.vehicleNameBytesMax) bytes without + # / or a control character, "
        + "no $ in front and no space at an end"
}
