# Answers of Perl: its regular expressions, pack, sprintf, sort and big numbers.
use strict;
use warnings;
use Digest::SHA qw(sha256_hex sha512_hex);
use List::Util qw(reduce shuffle sum);
use Math::BigFloat;
use Math::BigInt;
use MIME::Base64;
use POSIX ();

sub answer { printf "%s %s\n", shift, join ' ', @_ }

# A generator of its own: rand() would do, but not say why it differs.
my $state = 12345;
sub next_number { $state = ($state * 1103515245 + 12345) & 0x7fffffff }
my @numbers = map { next_number() } 1 .. 3000;
my @reals   = map { (next_number() - 1e9) / (1 + next_number() % 1000) } 1 .. 1000;

my @sorted = sort { $a % 997 <=> $b % 997 || $b <=> $a } @numbers;
answer 'sort', sha256_hex("@sorted");
answer 'sort by word', sha256_hex(join ' ', sort map { sprintf '%x', $_ } @numbers);

answer 'pack', unpack 'H*', pack 'c n N v V q> w d> f< Z6 b10 (A2)*', -3, 65000, 4e9, 513, 7e8, -9e17,
    300000, 3.25, -0.1, 'mote', '1011001110', qw(ab c de);
my @back = unpack '(N)*', pack '(N)*', @numbers;
answer 'unpack', "@back" eq "@numbers" ? 'same' : 'other', unpack '%32C*', "@numbers";

answer 'sprintf', map { sprintf $_->[0], @$_[1 .. $#$_] } ['%+08.3f', 3.14159], ['%e', 6.02214076e23],
    ['%#x|%#o|%#b', 48879, 511, 37], ['%g %g', 1e-5, 123456789], ['%a', 0.1], ['%vd', '1.22.333'],
    ['%-6s|%06d|%.0f', 'ab', -42, 2.5];
answer 'reals', sha256_hex(join ' ', map { sprintf '%.17g %.4e', $_, $_ } @reals);
answer 'functions', sha256_hex(
    join ' ', map { sprintf '%.17g', $_ }
        map { sin, cos, sqrt abs, exp($_ / 1e9), log(1 + abs), atan2($_, 2), $_**2 / 3, int, abs } @reals);
answer 'rounding', map { POSIX::floor($_), POSIX::ceil($_), POSIX::fmod($_, 7) } @reals[0 .. 9];

my $text = join "\n", map { "key$_ = value " . $_ * 7 . ' (' . chr(97 + $_ % 26) x 5 . ')' } 1 .. 400;
my %of   = $text =~ /^(key\d*[13579])\s*=\s*value (\d+)/mg;
answer 'regex pairs', scalar keys %of, sum values %of;
(my $changed = $text) =~ s/(\d+) \(((\w)\3+)\)/length($2) * $1/ge;
answer 'regex replace', sha256_hex($changed);
our $nested = qr/(\((?:[^()]++|(?1))*\))/;
answer 'regex recursion', '(a(b)c)(d(e(f)))' =~ /^$nested$nested/ ? "$1" : 'none';
answer 'regex look-around', join '|', 'price: 100 EUR, 250 USD, 300 EUR' =~ /(?<=\s)\d+(?=\sEUR)/g;
(my $rotated = $text) =~ tr/a-zA-Z/n-za-mN-ZA-M/;
answer 'transliterate', sha512_hex($rotated);
answer 'unicode', map { sprintf '%x', ord } "stra\x{df}e \x{3a3}" =~ /\p{Ll}/g, split //, uc "\x{e4}\x{3c3}\x{149}";

answer 'factorial', Math::BigInt->new(120)->bfac;
answer 'power', Math::BigInt->new(7)->bmodpow(Math::BigInt->new('123456789012345678901'), '1000000000000000000039');
answer 'pi', Math::BigFloat->bpi(60);
answer 'base64', encode_base64(pack('N*', @numbers[0 .. 8]), '');
answer 'integers', reduce { ($a ^ $b << 1) & 0x7fffffff } @numbers;
{
    use integer;
    answer 'signed', map { -7 / $_, -7 % $_, -7 << $_, -700 >> $_ } 2, 3;
}
my %count;
$count{ $_ % 101 }++ for @numbers;
answer 'hash', join ',', map { "$_:$count{$_}" } sort { $a <=> $b } keys %count;
answer 'local time', POSIX::strftime('%Y-%m-%dT%H:%M:%S %j %a', gmtime 951782399);
