/// Masked personal data: enough to recognise a customer, too little to misuse.
package enum Masking {
    /// `苏E·12845` → `苏E·**8**`: the region and one character of the middle.
    package static func plate(_ plate: String) -> String {
        let head = plate.firstIndex(of: "·").map { plate.index(after: $0) }
        let cut = head ?? plate.index(plate.startIndex, offsetBy: 2, limitedBy: plate.endIndex)
        guard let cut else { return stars(plate.count) }
        let rest = plate[cut...]
        let middle = rest.count / 2
        return plate[..<cut]
            + String(
                rest.enumerated().map { $0.offset == middle && rest.count > 2 ? $0.element : "*" }
            )
    }

    /// `LSVAA4182E2123456` → `LSV**********3456`.
    package static func vin(_ vin: String) -> String { keeping(3, 4, of: vin) }

    /// `13812345678` → `138****5678`; of a short number only the end.
    package static func phone(_ phone: String) -> String {
        phone.count >= 11 ? keeping(3, 4, of: phone) : keeping(0, 2, of: phone)
    }

    /// `张伟` → `张*`: the first character of a Chinese name, the first letter of another.
    package static func name(_ name: String) -> String {
        guard let first = name.first else { return "" }
        return "\(first)*"
    }

    private static func keeping(_ head: Int, _ tail: Int, of text: String) -> String {
        guard text.count > head + tail else { return stars(text.count) }
        return text.prefix(head) + stars(text.count - head - tail) + text.suffix(tail)
    }

    private static func stars(_ count: Int) -> String { String(repeating: "*", count: count) }
}
