import Crypto
package import Foundation

/// Secrets the gateway makes itself: long enough that a plain hash keeps them.
package enum Secret {
    /// Bytes of a session or token: 256 bits cannot be guessed, so no salt and no cost are needed.
    private static let length = 32

    /// A new secret, fit for a cookie or a header.
    package static func make() -> String { base64URL(bytes(length)) }

    /// What the store keeps of a secret.
    package static func digest(_ secret: String) -> Data {
        Data(SHA256.hash(data: Data(secret.utf8)))
    }

    /// A text that can be recognised by whoever has the salt, and read by nobody.
    package static func digest(_ text: String, salt: Data) -> Data {
        let code = HMAC<SHA256>.authenticationCode(
            for: Data(text.utf8),
            using: SymmetricKey(data: salt)
        )
        return Data(code)
    }

    /// Whether two secrets are the same, in a time that does not tell how far they agree.
    package static func agree(_ left: String, _ right: String) -> Bool {
        let (left, right) = (Array(left.utf8), Array(right.utf8))
        guard left.count == right.count else { return false }
        return zip(left, right).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }

    static func bytes(_ count: Int) -> Data {
        let key = SymmetricKey(size: SymmetricKeySize(bitCount: count * 8))
        return unsafe key.withUnsafeBytes { unsafe Data($0) }
    }

    /// RFC 4648 §5, without padding.
    package static func base64URL(_ data: Data) -> String {
        data.base64EncodedString().replacing("+", with: "-").replacing("/", with: "_")
            .replacing("=", with: "")
    }

    package static func data(base64URL text: String) -> Data? {
        let plain = text.replacing("-", with: "+").replacing("_", with: "/")
        return Data(base64Encoded: plain + String(repeating: "=", count: (4 - plain.count % 4) % 4))
    }
}
