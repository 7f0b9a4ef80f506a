import Crypto
import CryptoExtras
import Foundation

/// A password as it is kept: scrypt (RFC 7914) with its salt and cost beside it.
///
/// Written `scrypt$N$r$p$salt$hash`, salt and hash in base64, so that a later cost can be told from
/// an earlier one. Takes tenths of a second and 32 MiB on purpose: never on the cooperative pool.
package struct PasswordHash: Sendable, Equatable {
    /// Characters of a password; NIST SP 800-63B asks for 8 at least and 64 allowed at least.
    package static let lengths = 12...128
    /// N = 2^15, r = 8, p = 3: OWASP Password Storage Cheat Sheet, 32 MiB a check.
    private static let rounds = 32_768
    private static let blockSize = 8
    private static let parallelism = 3
    private static let hashBytes = 32
    private static let saltBytes = 16

    /// Checked for names nobody has, so that an answer takes as long as for those somebody has.
    package static let ofNobody = PasswordHash(
        stored: "scrypt$\(rounds)$\(blockSize)$\(parallelism)$"
            + "\(Data(count: saltBytes).base64EncodedString())$"
            + Data(count: hashBytes).base64EncodedString()
    )

    /// The form that is stored.
    package let text: String

    /// Hashes a new password with a fresh salt.
    package init(of password: String) throws {
        let salt = Secret.bytes(PasswordHash.saltBytes)
        let hash = try PasswordHash.derive(
            password,
            salt: salt,
            rounds: PasswordHash.rounds,
            blockSize: PasswordHash.blockSize,
            parallelism: PasswordHash.parallelism
        )
        text =
            "scrypt$\(PasswordHash.rounds)$\(PasswordHash.blockSize)$\(PasswordHash.parallelism)$"
            + "\(salt.base64EncodedString())$\(hash.base64EncodedString())"
    }

    /// Takes a stored form; whether it can be read shows in `matches`.
    package init(stored text: String) {
        self.text = text
    }

    /// Whether this is the password; comparing takes the same time for every wrong one.
    package func matches(_ password: String) -> Bool {
        let parts = text.split(separator: "$").map(String.init)
        guard parts.count == 6, parts[0] == "scrypt", let rounds = Int(parts[1]),
            let blockSize = Int(parts[2]), let parallelism = Int(parts[3]),
            let salt = Data(base64Encoded: parts[4]), let hash = Data(base64Encoded: parts[5]),
            let derived = try? PasswordHash.derive(
                password,
                salt: salt,
                rounds: rounds,
                blockSize: blockSize,
                parallelism: parallelism
            ), derived.count == hash.count
        else { return false }
        return zip(derived, hash).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }

    private static func derive(
        _ password: String,
        salt: Data,
        rounds: Int,
        blockSize: Int,
        parallelism: Int
    ) throws -> Data {
        // One person's keyboard composes letters, another's does not: NFKC makes them the same.
        let bytes = Data(password.precomposedStringWithCompatibilityMapping.utf8)
        let key = try KDF.Scrypt.deriveKey(
            from: bytes,
            salt: salt,
            outputByteCount: hashBytes,
            rounds: rounds,
            blockSize: blockSize,
            parallelism: parallelism
        )
        return unsafe key.withUnsafeBytes { unsafe Data($0) }
    }
}
