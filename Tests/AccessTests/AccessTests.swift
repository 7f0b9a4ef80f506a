import Access
import Foundation
import Testing

struct AccessTests {
    @Test func aPasswordMatchesItselfAndNothingElse() throws {
        let hash = try PasswordHash(of: "correct horse battery")
        #expect(hash.matches("correct horse battery"))
        #expect(!hash.matches("correct horse batter"))
        #expect(!hash.text.contains("correct"))
        #expect(PasswordHash(stored: hash.text).matches("correct horse battery"))
        #expect(!PasswordHash(stored: "scrypt$1$x").matches("correct horse battery"))
    }

    /// RFC 7914 §12, third vector: what others hashed is understood.
    @Test func theKnownAnswerOfTheStandardMatches() {
        let salt = Data("SodiumChloride".utf8).base64EncodedString()
        let hex =
            "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
            + "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"
        var bytes = Data()
        var rest = Substring(hex)
        while !rest.isEmpty {
            bytes.append(UInt8(rest.prefix(2), radix: 16) ?? 0)
            rest = rest.dropFirst(2)
        }
        // We keep 32 bytes; the vector's first 32 are the same by PBKDF2's blocks.
        let kept = bytes.prefix(32).base64EncodedString()
        #expect(PasswordHash(stored: "scrypt$16384$8$1$\(salt)$\(kept)").matches("pleaseletmein"))
    }

    /// Every capability, with the roles that have it.
    @Test func rolesMayWhatTheTableSays() {
        func may(_ capability: Capability) -> Set<Role> {
            Set(Role.allCases.filter { $0.capabilities.contains(capability) })
        }
        #expect(may(.see) == Set(Role.allCases))
        #expect(may(.decide) == [.advisor, .specialist, .manager])
        #expect(may(.unmask) == [.advisor, .specialist, .manager])
        #expect(may(.feed) == [.engineer, .admin, .readOnly])
        #expect(may(.mendFeed) == [.engineer, .admin])
        #expect(may(.privacy) == [.admin])
        #expect(may(.requestErasure) == [.specialist, .manager, .admin])
    }

    @Test func secretsDifferAndSurviveTheWayThroughACookie() {
        let secret = Secret.make()
        #expect(secret != Secret.make() && secret.utf8.count == 43)
        #expect(secret.allSatisfy { $0.isLetter || $0.isNumber || $0 == "-" || $0 == "_" })
        #expect(Secret.data(base64URL: secret)?.count == 32)
        #expect(Secret.agree(secret, secret) && !Secret.agree(secret, secret + "x"))
    }
}
