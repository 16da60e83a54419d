"""Arithmetic and library answers of Python, each a line of its own that any correct processor prints alike."""
import array
import bisect
import ctypes
import datetime
import decimal
import fractions
import hashlib
import heapq
import itertools
import json
import math
import random
import re
import sqlite3
import struct
import unicodedata
import zlib

N = 200


def answer(name, value):
    print(f"{name} {value}")


def digest(items):
    """Of many answers one short one."""
    return hashlib.sha256("\n".join(map(repr, items)).encode()).hexdigest()[:24]


def doubles(rng, n):
    """Ordinary numbers, powers over the whole range, and any bit pattern that is a number."""
    yield from (0.0, -0.0, 1.0, -1.0, 0.1, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, math.inf)
    for _ in range(n):
        yield rng.uniform(-10, 10)
        yield math.ldexp(rng.random(), rng.randint(-1070, 1020))
        x = struct.unpack("<d", rng.randbytes(8))[0]
        if not math.isnan(x):
            yield x


def tried(function, *arguments):
    """The answer down to the last bit, or which error it was."""
    try:
        result = function(*arguments)
    except (ArithmeticError, ValueError) as error:
        return type(error).__name__
    return result.hex() if isinstance(result, float) else result


def mathematics():
    rng = random.Random(1)
    one = list(doubles(rng, N))
    two = list(zip(one, rng.sample(one, len(one))))
    for name in (
        "sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh exp exp2 expm1 log log2 log10 log1p sqrt cbrt "
        "gamma lgamma erf erfc floor ceil trunc fabs frexp modf"
    ).split():
        answer(name, digest(tried(getattr(math, name), x) for x in one))
    for name in "pow atan2 fmod remainder hypot copysign nextafter".split():
        answer(name, digest(tried(getattr(math, name), x, y) for x, y in two))
    sums = [tried(f, x, y) for f in (float.__add__, float.__sub__, float.__mul__, float.__truediv__) for x, y in two]
    answer("add-sub-mul-div", digest(sums))
    answer("fsum", math.fsum(x for x in one if abs(x) < 1e300).hex())


def extended():
    """What only the x87 has: long double, through libm."""
    libm = ctypes.CDLL("libm.so.6")
    rng = random.Random(2)
    values = list(doubles(rng, N // 4))
    for name in "sinl cosl tanl atanl expl logl sqrtl cbrtl roundl rintl lgammal".split():
        function = getattr(libm, name)
        function.restype = ctypes.c_longdouble
        function.argtypes = [ctypes.c_longdouble]
        answer(name, digest(tried(function, x) for x in values))


def integers():
    rng = random.Random(3)
    a, b, c = (rng.getrandbits(4000) | 1 for _ in range(3))
    answer("power-modulo", digest([pow(a, b >> 3000, c)]))
    answer("divide", digest([divmod(a * b + 7, c), (a * b) // b == a, math.isqrt(a * a) == a]))
    answer("factorial", digest([math.factorial(1500)]))
    answer("mersenne", all(pow(3, (1 << p) - 2, (1 << p) - 1) == 1 for p in (521, 607, 1279)))
    answer("gcd", math.gcd(a * 30030, b * 510510))
    words = [rng.getrandbits(64) for _ in range(N)]
    mixed = [(x * y ^ x >> 7 | y << 3) % (z | 1) for x, y, z in zip(words, words[1:], words[2:])]
    answer("words", digest(mixed + [x.bit_count() for x in words] + [x.bit_length() for x in words]))


def conversions():
    rng = random.Random(4)
    values = [x for x in doubles(rng, N * 2) if math.isfinite(x)]
    answer("repr-round-trip", all(float(repr(x)) == x for x in values))
    answer("repr", digest(values))
    answer("formats", digest(f"{x:.3e} {x:.17g} {x:a<30.2f}" for x in values if abs(x) < 1e60))
    answer("as-integer-ratio", digest(x.as_integer_ratio() for x in values[:100]))
    answer("struct-half", digest(struct.pack("<e", x) for x in values if abs(x) < 60000))
    answer("struct-float", digest(struct.pack("<f", x) for x in values if abs(x) < 3e38))
    packed = struct.pack(">bHiQd10s", -5, 65000, -123456, 2**63 + 1, math.pi, b"packed")
    answer("struct", f"{packed.hex()} {struct.unpack('>bHiQd10s', packed)}")
    decimal.getcontext().prec = 60
    answer("decimal", decimal.Decimal(2).sqrt() / decimal.Decimal(7).exp())
    answer("fraction", sum(fractions.Fraction(1, n) for n in range(1, 80)))


def data():
    rng = random.Random(5)
    numbers = [rng.randint(0, 1 << 40) for _ in range(20000)]
    blob = array.array("Q", numbers).tobytes()
    for name in sorted(hashlib.algorithms_guaranteed - {"shake_128", "shake_256"}):
        answer(name, hashlib.new(name, blob).hexdigest())
    answer("crc32", f"{zlib.crc32(blob):08x} {zlib.adler32(blob):08x}")
    text = " ".join(map(str, numbers)).encode()
    for level in (1, 6, 9):
        packed = zlib.compress(text, level)
        answer(f"zlib-{level}", f"{len(packed)} {zlib.decompress(packed) == text}")
    answer("sort", digest(sorted(numbers, key=lambda n: (n % 1000, -n))))
    heap = numbers[:5000]
    heapq.heapify(heap)
    answer("heap", all(a <= b for a, b in itertools.pairwise(heapq.heappop(heap) for _ in range(5000))))
    ordered = sorted(numbers)
    answer("bisect", digest(bisect.bisect(ordered, n + 1) for n in numbers[:1000]))
    tree = {"numbers": numbers[:500], "floats": [n / 7 for n in numbers[:500]], "text": "\u00e4\U0001f40d\n\"\\", "no": None}
    answer("json", f"{json.loads(json.dumps(tree)) == tree} {digest([json.dumps(tree, sort_keys=True)])}")


def libraries():
    text = "".join(chr(c) for c in range(32, 2000))
    answer("unicode", digest(unicodedata.normalize(form, text) for form in ("NFC", "NFD", "NFKC", "NFKD")))
    found = re.findall(r"(?i)(\w+?)([aeiou]{1,2})(?=\w)|(\d{2,}(?<!7))", "The quick brown fox, 1234567 jumps over 42 dogs" * 3)
    answer("re", digest(found))
    day = datetime.datetime(1999, 12, 31, 23, 59, 59, tzinfo=datetime.timezone.utc)
    answer("datetime", (day + datetime.timedelta(days=60, microseconds=999999)).isoformat())
    table = sqlite3.connect(":memory:")
    table.execute("create table t (a integer, b real)")
    table.executemany("insert into t values (?, ?)", ((n, n / 3) for n in range(2000)))
    answer("sqlite", table.execute("select a % 7, count(*), sum(b), avg(a) from t group by 1 order by 3").fetchall())
    state = random.Random(6)
    answer("random", digest([state.gauss(0, 1) for _ in range(N)] + [state.betavariate(2, 3) for _ in range(N)]))


if __name__ == "__main__":
    mathematics()
    extended()
    integers()
    conversions()
    data()
    libraries()
